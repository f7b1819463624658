// The Inspector's command line starts a server for each request.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { play, server } from "./plan.mjs";

const program = "node_modules/.bin/mcp-inspector";
const start = ["--cli", "-q", server.command, ...server.args];

async function request(...rest) {
  const environment = { ...process.env, ...server.env };
  const { stdout } = await promisify(execFile)(program, [...start, ...rest], { env: environment }).catch((error) => {
    if (error.stdout) return error;
    throw error;
  });
  return JSON.parse(stdout);
}

const { tools } = await request("--method", "tools/list");
await play(tools.map((tool) => tool.name), (name, input) =>
  request("--method", "tools/call", "--tool-name", name, "--tool-args-json", JSON.stringify(input)),
);
