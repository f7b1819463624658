// An authorization server on a free port of loopback, with the provider's own pages for signing in: any name will do.
// Its access tokens are for the resource that the first argument names, and for no other. The first line on stdout is
// its address. It ends with its stdin.

import { createServer } from "node:http";
import Provider, { errors } from "oidc-provider";

const [resource] = process.argv.slice(2);

const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  features: {
    registration: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_context, wanted) => {
        if (wanted !== resource) {
          throw new errors.InvalidTarget();
        }
        return { scope: "", accessTokenFormat: "jwt", accessTokenTTL: 600, jwt: { sign: { alg: "RS256" } } };
      },
    },
  },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
server.on("request", provider.callback());
console.log(issuer);
process.stdin.on("end", () => process.exit(0)).resume();
