import { MCPServerStdio } from "@openai/agents";
import { play, server } from "./plan.mjs";

const cleanlist = new MCPServerStdio({ ...server, timeout: 60_000, clientSessionTimeoutSeconds: 60 });
await cleanlist.connect();
const tools = await cleanlist.listTools();
await play(tools.map((tool) => tool.name), (name, input) => cleanlist.callTool(name, input));
await cleanlist.close();
