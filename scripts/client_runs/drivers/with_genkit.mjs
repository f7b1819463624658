import { createMcpHost } from "@genkit-ai/mcp";
import { genkit } from "genkit";
import { play, server } from "./plan.mjs";

const ai = genkit({});
const host = createMcpHost({ name: "matrix", mcpServers: { cleanlist: server } });
const tools = await host.getActiveTools(ai);
const plain = (tool) => tool.__action.name.split("/").at(-1);
await play(tools.map(plain), (name, input) => tools.find((tool) => plain(tool) === name)(input));
await host.close();
