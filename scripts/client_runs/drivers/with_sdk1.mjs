import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { play, server } from "./plan.mjs";

const client = new Client({ name: "matrix", version: "1.0.0" }, { capabilities: { elicitation: {} } });
await client.connect(new StdioClientTransport(server));
const { tools } = await client.listTools();
await play(tools.map((tool) => tool.name), (name, input) => client.callTool({ name, arguments: input }));
await client.close();
