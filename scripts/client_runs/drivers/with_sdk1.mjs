import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { play, server } from "./plan.mjs";

const client = new Client({ name: "matrix", version: "1.0.0" }, { capabilities: { elicitation: {} } });
const way = server.url
  ? new StreamableHTTPClientTransport(new URL(server.url), { requestInit: { headers: server.headers } })
  : new StdioClientTransport(server);
await client.connect(way);
const { tools } = await client.listTools();
await play(tools.map((tool) => tool.name), (name, input) => client.callTool({ name, arguments: input }));
await client.close();
