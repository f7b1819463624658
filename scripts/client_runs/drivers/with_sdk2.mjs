import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { play, server } from "./plan.mjs";

const client = new Client(
  { name: "matrix", version: "1.0.0" },
  { capabilities: { elicitation: {} }, versionNegotiation: { mode: "auto" } },
);
const way = server.url
  ? new StreamableHTTPClientTransport(new URL(server.url), { requestInit: { headers: server.headers } })
  : new StdioClientTransport(server);
await client.connect(way);
const { tools } = await client.listTools();
await play(tools.map((tool) => tool.name), (name, input) => client.callTool({ name, arguments: input }));
await client.close();
