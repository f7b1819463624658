import { MCPClient } from "@mastra/mcp";
import { play, server } from "./plan.mjs";

const client = new MCPClient({ servers: { cleanlist: { ...server, inputRequests: () => ({ action: "decline" }) } } });
const tools = await client.listTools();
const named = (name) => Object.keys(tools).find((key) => key.endsWith(name));
await play(Object.keys(tools).map((name) => name.replace("cleanlist_", "")), (name, input) =>
  tools[named(name)].execute(input, {}),
);
await client.disconnect();
