// Starts a server and calls its tools, as lines on stdin say; one line of JSON comes back for each.
// The first line is {command, args, env}; its answer names the tools. Every other line is {name, arguments}.

import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const client = new Client({ name: "ts-bridge", version: "1.0.0" });

function answer(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

async function connect(server) {
  await client.connect(new StdioClientTransport({ ...server, stderr: "ignore" }));
  // Listing the tools is what makes this client check structured answers against their schemas.
  const { tools } = await client.listTools();
  return { tools: tools.map((tool) => tool.name) };
}

let connected = false;
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  try {
    answer(connected ? await client.callTool(request) : await connect(request));
    connected = true;
  } catch (error) {
    answer({ thrown: String(error) });
  }
}
await client.close();
