"""Spans hold what was done and how it ended, and nothing that a client or the API wrote."""

from collections.abc import Iterator

import pytest
from mcp import MCPError
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support import World

CANARY = "quill@canary.example"
PROVIDER, EXPORTER = TracerProvider(), InMemorySpanExporter()


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    # One provider for the process: the SDK's tracer takes the first and keeps it.
    if trace.get_tracer_provider() is not PROVIDER:
        PROVIDER.add_span_processor(SimpleSpanProcessor(EXPORTER))
        trace.set_tracer_provider(PROVIDER)
    EXPORTER.clear()
    yield EXPORTER
    EXPORTER.clear()


def servers(spans: InMemorySpanExporter) -> list[ReadableSpan]:
    """The spans of the server; the client in the test makes its own."""
    return [span for span in spans.get_finished_spans() if span.kind is trace.SpanKind.SERVER]


async def test_a_span_names_the_tool_and_a_failure_without_its_text(
    world: World, era: str, spans: InMemorySpanExporter
) -> None:
    async with world.connect(era) as session:
        await session.client.call_tool("credits_balance", {})
        await session.client.call_tool("enrich_person", {"email": f"{CANARY}@@"})
    found = {span.name: span for span in servers(spans)}
    assert (
        found["tools/call credits_balance"].status.is_unset
        or found["tools/call credits_balance"].status.is_ok
    )
    assert found["tools/call enrich_person"].status.status_code is trace.StatusCode.ERROR
    assert CANARY not in "".join(span.to_json() for span in servers(spans))


async def test_what_a_client_made_up_is_in_no_span(
    world: World, era: str, spans: InMemorySpanExporter
) -> None:
    async with world.connect(era) as session:
        with pytest.raises(MCPError):
            await session.client.call_tool(CANARY, {})
        with pytest.raises(MCPError):
            await session.client.get_prompt(CANARY)
        with pytest.raises(MCPError):
            await session.client.read_resource(f"cleanlist://people/{CANARY}")
    names = {span.name for span in servers(spans)}
    assert {"tools/call unknown", "prompts/get unknown", "resources/read"} <= names
    assert CANARY not in "".join(span.to_json() for span in servers(spans))


async def test_an_error_reaches_the_client_as_it_is(world: World, era: str) -> None:
    async with world.connect(era) as session:
        with pytest.raises(MCPError, match="prompt"):
            await session.client.get_prompt("nobody")
