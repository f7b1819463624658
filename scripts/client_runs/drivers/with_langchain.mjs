import { MultiServerMCPClient } from "@langchain/mcp-adapters";
import { play, server } from "./plan.mjs";

const client = new MultiServerMCPClient({ cleanlist: { transport: "stdio", ...server } });
const tools = await client.getTools();
await play(
  tools.map((tool) => tool.name),
  (name, input) => tools.find((tool) => tool.name === name).invoke(input),
);
await client.close();
