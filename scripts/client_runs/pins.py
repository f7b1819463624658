"""The one table of clients and their versions: what the matrix tries, and what the pages install."""

from dataclasses import dataclass
from pathlib import Path

DRIVERS = Path(__file__).parent / "drivers"


@dataclass(frozen=True)
class Client:
    """A library: its exact packages (the first one names the version), its driver, and if CI tries it each time."""

    name: str
    packages: tuple[str, ...]
    driver: str
    usual: bool = False

    @property
    def language(self) -> str:
        return "JavaScript" if self.driver.endswith(".mjs") else "Python"

    @property
    def package(self) -> str:
        return self.packages[0]


CLIENTS = (
    Client("MCP Python SDK 1", ("mcp==1.30.0",), "with_sdk1.py", usual=True),
    Client("MCP Python SDK 2", ("mcp==2.3.0",), "with_sdk2.py", usual=True),
    Client("MCP TypeScript SDK 1", ("@modelcontextprotocol/sdk@1.32.2",), "with_sdk1.mjs", usual=True),
    Client("MCP TypeScript SDK 2", ("@modelcontextprotocol/client@2.4.0",), "with_sdk2.mjs", usual=True),
    Client("MCP Inspector", ("@modelcontextprotocol/inspector@2.12.0",), "with_inspector.mjs"),
    Client("OpenAI Agents SDK", ("openai-agents==0.24.0",), "with_openai_agents.py"),
    Client("OpenAI Agents SDK, JS", ("@openai/agents@0.20.0", "zod@4.6.7"), "with_openai_agents.mjs"),
    Client("google-genai", ("google-genai==3.6.1", "mcp==2.3.0"), "with_google_genai.py"),
    Client("Google ADK", ("google-adk[mcp]==2.13.0",), "with_google_adk.py"),
    Client("Genkit", ("@genkit-ai/mcp@1.42.0", "genkit@1.42.0"), "with_genkit.mjs"),
    Client("LangChain", ("langchain-mcp-adapters==0.3.2",), "with_langchain.py"),
    Client("LangChain, JS", ("@langchain/mcp-adapters@1.1.4", "@langchain/core"), "with_langchain.mjs"),
    Client("Vercel AI SDK", ("@ai-sdk/mcp@2.0.99", "ai@7.0.173"), "with_ai.mjs"),
    Client("Pydantic AI", ("pydantic-ai-slim[mcp]==2.68.0",), "with_pydantic_ai.py"),
    Client("FastMCP", ("fastmcp==4.2.3",), "with_fastmcp.py"),
    Client("LlamaIndex", ("llama-index-tools-mcp==0.6.0",), "with_llama_index.py"),
    Client("smolagents", ("smolagents[mcp]==1.26.0", "mcp<2"), "with_smolagents.py"),
    Client("mcp-use", ("mcp-use==1.7.1",), "with_mcp_use.py"),
    Client("Strands Agents", ("strands-agents==1.62.0",), "with_strands.py"),
    Client(
        "Microsoft Agent Framework",
        ("agent-framework-core==1.23.0", "mcp==2.3.0", "tenacity"),
        "with_agent_framework.py",
    ),
    Client("Semantic Kernel", ("semantic-kernel[mcp]==1.45.0",), "with_semantic_kernel.py"),
    Client("AutoGen", ("autogen-ext[mcp]==0.7.5", "mcp<2"), "with_autogen.py"),
    Client("CrewAI", ("crewai-tools[mcp]==1.15.30",), "with_crewai.py"),
    Client("Agno", ("agno==3.1.10", "fastmcp==4.2.3"), "with_agno.py"),
    Client("CAMEL", ("camel-ai==0.2.90", "mcp<2"), "with_camel.py"),
    Client("DSPy", ("dspy[mcp]==3.4.1", "mcp==2.3.0"), "with_dspy.py"),
    Client("Mastra", ("@mastra/mcp@2.0.0",), "with_mastra.mjs"),
    Client("mcporter", ("mcporter@0.12.3",), "with_mcporter.mjs"),
)
"""Libraries, which a driver of ours connects and calls."""

HOSTS = {
    "Claude Code": "@anthropic-ai/claude-code@2.1.332",
    "Codex": "@openai/codex@0.171.0",
    "Gemini CLI": "@google/gemini-cli@0.61.0",
}
"""Programs for people, which read our snippet and connect by themselves."""


REMOTE = "mcp-remote@0.15.1"
"""The way to a service over HTTP for clients that only start programs."""


def split(package: str) -> tuple[str, str]:
    """Return the name, without extras, and the version of a pinned package; "" for one that is not pinned."""
    separator = "==" if "==" in package else "@"
    name, _, version = package.rpartition(separator)
    return (name or package).partition("[")[0], version if name else ""
