import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { play, server } from "./plan.mjs";

const client = new Client(
  { name: "matrix", version: "1.0.0" },
  { capabilities: { elicitation: {} }, versionNegotiation: { mode: "auto" } },
);
await client.connect(new StdioClientTransport(server));
const { tools } = await client.listTools();
await play(tools.map((tool) => tool.name), (name, input) => client.callTool({ name, arguments: input }));
await client.close();
