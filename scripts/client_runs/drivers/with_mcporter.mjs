import { createRuntime } from "mcporter";
import { play, server } from "./plan.mjs";

const { command, args, env } = server;
const definition = { name: "cleanlist", command: { kind: "stdio", command, args, cwd: process.cwd() }, env };
const runtime = await createRuntime({ servers: [definition] });
const tools = await runtime.listTools("cleanlist");
await play(tools.map((tool) => tool.name), (name, input) => runtime.callTool("cleanlist", name, { args: input }));
await runtime.close();
