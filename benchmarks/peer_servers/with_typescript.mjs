// The same tool as benchmarks/bare_server.py, made with the TypeScript SDK. It runs beside its packages.
import { McpServer } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

const texts = z.array(z.string());
const Whoami = z.object({
  user_email: z.string().nullable(),
  user_name: z.string(),
  organization_id: z.string(),
  organization_name: z.string(),
  auth_type: z.string(),
  tier: z.string(),
  scopes: texts,
  features: texts,
});
const headers = { Authorization: `Bearer ${process.env.CLEANLIST_API_KEY}` };
const server = new McpServer({ name: "bare", version: "1" });
const about = { description: "Show whose API key is in use.", inputSchema: z.object({}), outputSchema: Whoami };

server.registerTool("whoami", about, async () => {
  const answer = await fetch(`${process.env.CLEANLIST_BASE_URL}/whoami`, { headers });
  const found = Whoami.parse(await answer.json());
  return { content: [{ type: "text", text: JSON.stringify(found) }], structuredContent: found };
});
await server.connect(new StdioServerTransport());
