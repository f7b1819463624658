"""The MCP server, built and not imported: `build_server(settings)`."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server import MCPServer, ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedResourceError
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp.types import INVALID_PARAMS, CallToolResult, GetPromptResult, InputRequiredResult
from pydantic import AnyUrl, SecretStr, ValidationError

from cleanlist_mcp import __version__
from cleanlist_mcp.clock import Clock, SystemClock
from cleanlist_mcp.errors import CleanlistError, InvalidArguments, ReadOnly
from cleanlist_mcp.secrecy import blot_all, keep
from cleanlist_mcp.server import boundary, dialog, prompts, resources
from cleanlist_mcp.server.instructions import LISTS, NOT_READ_ONLY, instructions, switched_on
from cleanlist_mcp.server.tools import account, enrichment, lists
from cleanlist_mcp.services import Services
from cleanlist_mcp.settings import Settings

if TYPE_CHECKING:
    import httpx

MAX_CALLS = 64
"""Tool calls that run at once; more wait their turn, within the same 50 seconds."""

MAX_WAITING_CALLS = 256
"""The same for the tools that wait for runs: however many do, the others have their turn."""

_OUR_OWN_WORDS = frozenset(
    {
        "initialize",
        "server/discover",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    }
)
"""Requests whose answers are ours to the last word, the same for everybody."""

WAITING = frozenset({"enrich_person", "enrich_list", "workflow_status"})

_TOOLS: Mapping[str, tuple[Callable[..., Any], str, Any]] = {
    "whoami": (account.whoami, "Who am I", boundary.READS),
    "credits_balance": (account.credits_balance, "Credits balance", boundary.READS),
    "estimate": (enrichment.estimate, "Estimate and quote", boundary.READS),
    "enrich_person": (enrichment.enrich_person, "Enrich a person", boundary.SPENDS),
    "enrich_list": (enrichment.enrich_list, "Enrich a list", boundary.SPENDS),
    "workflow_status": (enrichment.workflow_status, "Workflow status", boundary.READS),
    "find_lists": (lists.find_lists, "Find lists", boundary.READS),
    "create_list": (lists.create_list, "Create a list", boundary.WRITES),
    "add_leads": (lists.add_leads, "Add leads", boundary.WRITES),
    "get_leads": (lists.get_leads, "Get leads", boundary.READS),
    "export_list": (lists.export_list, "Export a list", boundary.WRITES),
}


class CleanlistServer(MCPServer[Services]):
    """An `MCPServer` whose tools answer every failure with the error object of the contract."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, middleware=[self._begin], **kwargs)
        self._turns = anyio.Semaphore(MAX_CALLS)
        self._waiting_turns = anyio.Semaphore(MAX_WAITING_CALLS)

    async def _begin(self, ctx: ServerRequestContext[Services, Any], call_next: CallNext) -> HandlerResult:
        """Give each request its services and its time, and let no secret out with what comes of it."""
        boundary.begin_call(ctx.lifespan_context)
        try:
            answer = await call_next(ctx)
        except MCPError as exc:
            # The SDK repeats in some what it was asked.
            told = (
                {"message": exc.message} if exc.data is None else {"message": exc.message, "data": exc.data}
            )
            exc.error = exc.error.model_copy(update=blot_all(told))
            raise
        return answer if ctx.method in _OUR_OWN_WORDS else blot_all(answer)

    async def serve_streams(self, read_stream: Any, write_stream: Any) -> None:
        """Serve one connection over a pair of the SDK's message streams, until the read side ends."""
        lowlevel = self._lowlevel_server  # no public door leads a custom read stream to an MCPServer
        await lowlevel.run(read_stream, write_stream, lowlevel.create_initialization_options())

    async def answer_alone(self, request: SessionMessage) -> SessionMessage:
        """The answer to one request, as a connection that holds nothing else would give it."""
        to_server, requests = anyio.create_memory_object_stream[SessionMessage | Exception](1)
        answers, from_server = anyio.create_memory_object_stream[SessionMessage](8)
        async with to_server, from_server, anyio.create_task_group() as tasks:
            tasks.start_soon(self.serve_streams, requests, answers)
            await to_server.send(request)
            answer = await from_server.receive()
            to_server.close()
            tasks.cancel_scope.cancel()
        return answer

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Services, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool. An unknown one is a protocol error; any other failure is an error result."""
        tool = self._tool_manager.get_tool(name)
        if tool is None and name in NOT_READ_ONLY and boundary.current_call().settings.read_only:
            return boundary.error_result(
                ReadOnly(
                    "This server is read-only: the tools that spend or write are off.",
                    "Tell the user; only they can unset CLEANLIST_READ_ONLY in the client's configuration.",
                )
            )
        if tool is None:
            off = " (CLEANLIST_TOOLSETS leaves the list tools out)" if name in LISTS else ""
            message = f"Unknown tool{off}; tools/list names the ones there are."
            raise MCPError(code=INVALID_PARAMS, message=message)
        known = tool.parameters["properties"]
        try:
            boundary.check_given(arguments, lists=[key for key in known if known[key].get("type") == "array"])
        except InvalidArguments as exc:
            return boundary.error_result(exc)
        # Assistants send null for what they leave out.
        given = {key: value for key, value in arguments.items() if value is not None or key not in known}
        if "scope" in known and "scope" not in given and "enrichment_type" in given:
            given["scope"] = given.pop("enrichment_type")  # the API's own word
        try:
            with anyio.fail_after(boundary.CALL_SECONDS):
                async with self._waiting_turns if name in WAITING else self._turns:
                    return await super().call_tool(name, given, context)
        except TimeoutError:
            return boundary.error_result(boundary.too_slow())
        except ToolError as exc:
            return boundary.error_result(_translated(exc, tool))

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Services, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read a resource; a failure says what to do, in words that carry no data."""
        try:
            boundary.check_given({"uri": str(uri)})
            with anyio.fail_after(boundary.CALL_SECONDS):
                return await super().read_resource(uri, context)
        except InvalidArguments as exc:
            raise resources.as_resource_error(exc) from None
        except TimeoutError:
            raise resources.as_resource_error(boundary.too_slow()) from None
        except UnexpectedResourceError as exc:
            cause = exc.__cause__
            while isinstance(cause, UnexpectedResourceError):
                cause = cause.__cause__
            error = cause if isinstance(cause, CleanlistError) else boundary.unexpected(cause)
            raise resources.as_resource_error(error) from None

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        context: Context[Services, Any] | None = None,
    ) -> GetPromptResult | InputRequiredResult:
        """Get a prompt; wrong arguments are a protocol error that names none of their values."""
        try:
            boundary.check_given(arguments or {})
            return await super().get_prompt(name, arguments, context)
        except InvalidArguments as exc:
            raise resources.as_resource_error(exc) from None
        except ValueError:
            known = {prompt.name: prompt for prompt in await self.list_prompts()}
            if name not in known:
                message = "Unknown prompt; prompts/list names the ones there are."
            else:
                takes = known[name].arguments or []
                required = ", ".join(item.name for item in takes if item.required) or "none"
                optional = ", ".join(item.name for item in takes if not item.required) or "none"
                message = f"Wrong arguments; required: {required}; optional: {optional}."
            raise MCPError(code=INVALID_PARAMS, message=message) from None


def build_server(
    settings: Settings,
    transport: "httpx.AsyncBaseTransport | None" = None,
    *,
    clock: Clock | None = None,
) -> CleanlistServer:
    """Build the server for these settings.

    `transport` replaces the network below the HTTP client; with `settings.sandbox` and no transport, the
    embedded sandbox is served in process. Nothing is opened before the first call that needs it.
    """
    if settings.sandbox and transport is None:
        settings, transport = _with_sandbox(settings)
    time = clock or SystemClock()

    @asynccontextmanager
    async def lifespan(server: MCPServer[Services]) -> AsyncIterator[Services]:
        async with anyio.create_task_group() as tasks:
            services = Services(settings, time, tasks, transport)
            try:
                yield services
            finally:
                tasks.cancel_scope.cancel()  # pollers end here; spend requests that have left are shielded
                with anyio.CancelScope(shield=True):
                    await services.aclose()

    server = CleanlistServer(
        name="cleanlist-mcp",
        title="Cleanlist",
        version=__version__,
        instructions=instructions(settings),
        website_url="https://www.cleanlist.ai",
        tools=make_tools(settings),
        lifespan=lifespan,
        log_level="WARNING",
        subscriptions=False,
    )
    for (uri, title, description), reader in zip(resources.OFFERED, resources.READERS, strict=True):
        server.resource(uri, title=title, description=description, mime_type="application/json")(reader)
    server.completion()(resources.complete)  # type: ignore[no-untyped-call]
    for prompt in _made_prompts(settings.read_only):
        server.add_prompt(prompt)
    return server


def make_tools(settings: Settings) -> list[Tool]:
    """The tools that these settings serve, in their order."""
    return list(_made_tools(switched_on(settings), settings.csv_dir is not None, settings.sandbox))


@cache
def _made_tools(names: tuple[str, ...], reads_files: bool, sandbox: bool) -> tuple[Tool, ...]:
    """Made once for equal settings: building schemas is what takes time when a server is built."""
    known = dict(_TOOLS)
    if reads_files:
        known["add_leads"] = (lists.add_leads_or_file, *_TOOLS["add_leads"][1:])
    off = tuple(name for name in known if name not in names)
    return tuple(boundary.make_tool(name, *known[name], off=off, sandbox=sandbox) for name in names)


@cache
def _made_prompts(read_only: bool) -> tuple[Prompt, ...]:
    offered = prompts.READING if read_only else prompts.SPENDING + prompts.READING
    return tuple(Prompt.from_function(ask, title=(ask.__doc__ or "").rstrip(".")) for ask in offered)


def _with_sandbox(settings: Settings) -> "tuple[Settings, httpx.AsyncBaseTransport]":
    """The same settings, with the sandbox as the API; a key and an address of its own."""
    from cleanlist_mcp.sandbox.app import transport
    from cleanlist_mcp.sandbox.state import Sandbox

    sandbox = Sandbox()
    keep(sandbox.key)
    update = {"api_key": SecretStr(sandbox.key), "base_url": sandbox.base_url}
    return settings.model_copy(update=update), transport(sandbox)


def _translated(error: ToolError, tool: Tool) -> CleanlistError:
    cause = error.__cause__
    if isinstance(cause, CleanlistError):
        return cause
    if isinstance(cause, ValidationError) and cause.title == tool.fn_metadata.arg_model.__name__:
        return boundary.invalid_arguments(cause, tool.parameters)
    if isinstance(cause, ToolError) and "elicitation" in str(cause):
        # The SDK's words for an answer that is none.
        return dialog.broken_dialog(may_have_charged=boundary.current_call().may_have_charged)
    return boundary.unexpected(cause)
