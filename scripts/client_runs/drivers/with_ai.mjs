import { createMCPClient } from "@ai-sdk/mcp";
import { Experimental_StdioMCPTransport as StdioTransport } from "@ai-sdk/mcp/mcp-stdio";
import { play, server } from "./plan.mjs";

const client = await createMCPClient({
  transport: new StdioTransport(server),
  capabilities: { elicitation: {} },
});
const tools = await client.tools();
await play(Object.keys(tools), (name, input) => tools[name].execute(input, { toolCallId: name, messages: [] }));
await client.close();
