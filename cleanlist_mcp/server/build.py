"""The MCP server, built and not imported: `build_server(settings)`."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import anyio
from mcp.server import MCPServer, ServerRequestContext
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError, UnexpectedResourceError
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp.types import INVALID_PARAMS, CallToolResult, GetPromptResult, InputRequiredResult
from mcp.types import Prompt as ListedPrompt
from mcp.types import Tool as ListedTool
from pydantic import AnyUrl, SecretStr, ValidationError

from cleanlist_mcp import __version__
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.clock import Clock, SystemClock
from cleanlist_mcp.errors import CleanlistError, InvalidArguments, ReadOnly
from cleanlist_mcp.secrecy import blot_all, keep
from cleanlist_mcp.server import boundary, kept, prompts, resources
from cleanlist_mcp.server.arguments import check_size_and_secrets
from cleanlist_mcp.server.declared import CARD_URI, declared_by
from cleanlist_mcp.server.front import Front
from cleanlist_mcp.server.instructions import instructions
from cleanlist_mcp.server.request import understood
from cleanlist_mcp.server.spans import DiscreetSpans
from cleanlist_mcp.server.warming import Quiet, warm_up
from cleanlist_mcp.server.wrong_arguments import invalid_arguments
from cleanlist_mcp.services import Services
from cleanlist_mcp.settings import Settings
from cleanlist_mcp.toolset import CARD_TOOLS, TOOLS, ToolSpec, spec_of, switched_on

if TYPE_CHECKING:
    import httpx

Surroundings = Callable[[ServerRequestContext[Any, Any]], AbstractContextManager[Call]]
"""Gives the call that a request is, for as long as it runs."""

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

_INSTRUCTIVE = frozenset({"initialize", "server/discover"})
"""Requests whose answers carry the instructions."""

_ROOMS: Mapping[str, tuple[str, ...]] = {
    "account": ("whoami", "credits_balance"),
    "enrichment": ("estimate", "enrich_person", "enrich_list", "workflow_status"),
    "lists": ("find_lists", "create_list", "add_leads", "get_leads", "remove_leads", "export_list"),
    "prospecting": ("search_people", "search_companies", "enrich_company"),
}
"""The modules of `server/tools`, with the tools whose functions stand there."""

_WITH_FILES = frozenset({"add_leads", "export_list"})
"""Tools with a second function, for a server that shares a folder."""


_SPAN_NAMES = frozenset(
    {
        *(spec.name for spec in (*TOOLS, *CARD_TOOLS)),
        *(prompt.function.__name__ for prompt in prompts.OFFERED),
    }
)
"""The names that spans may hold: those of tools and prompts."""


_NO_SUCH_RESOURCE = "Unknown resource; resources/list and resources/templates/list name the ones there are."


@contextmanager
def of_the_process(ctx: ServerRequestContext[Services, Any]) -> Iterator[Call]:
    """Give the call of a process that has one account: its services live as long as the server."""
    yield Call(ctx.lifespan_context, boundary.CALL_SECONDS)


class CleanlistServer(MCPServer[Any]):
    """An `MCPServer` whose tools answer every failure with the error object of the contract.

    A request may narrow what it is offered: tools, prompts and instructions go by the settings of its call.
    """

    def __init__(
        self,
        settings: Settings,
        surroundings: Surroundings,
        *,
        watch: Sequence[ServerMiddleware[Any]] = (),
        **kwargs: Any,
    ) -> None:
        """`watch` sees each message before and after everything else."""
        super().__init__(
            instructions=instructions(settings),
            tools=make_tools(settings),
            middleware=[*watch, self._begin],
            **kwargs,
        )
        self._let_spans_be_discreet()
        self._settings = settings
        self._surroundings = surroundings
        self.gets_ready = False
        """Set by whoever serves one client for as long as it wants: what its first call needs is then loaded before."""
        self.front: Front | None = None
        """The first answers of this start, of which the next one learns."""
        self.quiet = Quiet()

    def _let_spans_be_discreet(self) -> None:
        # The SDK's own middleware for spans comes first, and no public door leads to it.
        lowlevel = self._lowlevel_server
        spans, *others = lowlevel.middleware
        lowlevel.middleware = [DiscreetSpans(spans, _SPAN_NAMES), *others]

    async def _begin(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Give each request its services and its time, and let no secret out with what comes of it."""
        with self._surroundings(ctx) as call:
            boundary.begin_call(call)
            return self._narrowed(call, ctx.method, await self._answer(call, ctx, call_next))

    async def _answer(
        self, call: Call, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        try:
            with self.quiet.broken():
                answer = await call_next(replace(ctx, params=understood(ctx.method, ctx.params)))
        except MCPError as exc:
            _keep_key(call)
            # The SDK repeats in some errors what the client sent.
            shown = (
                {"message": exc.message} if exc.data is None else {"message": exc.message, "data": exc.data}
            )
            exc.error = exc.error.model_copy(update=blot_all(shown))
            raise
        if ctx.method not in _OUR_OWN_WORDS:
            _keep_key(call)
            return _blotted(answer)
        if isinstance(answer, dict) and self._shows_cards(ctx):
            from cleanlist_mcp.server.cards import with_cards  # here: few clients need it

            spending = not boundary.settings_of_call(self._settings).read_only
            return with_cards(ctx.method, answer, spending=spending)
        return answer

    def _shows_cards(self, ctx: Context[Services, Any] | ServerRequestContext[Services, Any] | None) -> bool:
        return ctx is not None and self._settings.cards != "never" and declared_by(ctx).shows_cards

    def _tool(self, name: str, context: Context[Services, Any] | None) -> Tool | None:
        """Return the tool of that name, if it is there for this call and its client."""
        settings = boundary.current_call().settings
        tool = next((tool for tool in make_tools(settings) if tool.name == name), None)
        if tool is None and self._shows_cards(context):
            from cleanlist_mcp.server.cards import card_tools  # here, as above

            tool = card_tools(not settings.read_only, settings.sandbox).get(name)
        return None if tool is None else kept.made(tool)

    def _narrowed(self, call: Call, method: str, answer: HandlerResult) -> HandlerResult:
        """Return the answer with the instructions that fit what this request is offered."""
        if method not in _INSTRUCTIVE or self._offers_all(call.settings) or not isinstance(answer, dict):
            return answer
        return answer | {"instructions": instructions(call.settings)}

    def _offers_all(self, settings: Settings) -> bool:
        whole = self._settings
        return (settings.toolsets, settings.read_only) == (whole.toolsets, whole.read_only)

    async def list_tools(self) -> list[ListedTool]:
        """Return the tools that the running call is offered."""
        settings = boundary.settings_of_call(self._settings)
        tools = await super().list_tools()
        if self._offers_all(settings):
            return tools
        offered = {tool.name: tool.description for tool in make_tools(settings)}
        return [
            tool.model_copy(update={"description": offered[tool.name]})
            for tool in tools
            if tool.name in offered
        ]

    async def list_prompts(self) -> list[ListedPrompt]:
        """Return the prompts whose tools the running call is offered."""
        offered = _prompt_names(boundary.settings_of_call(self._settings))
        return [prompt for prompt in await super().list_prompts() if prompt.name in offered]

    async def serve_streams(self, read_stream: Any, write_stream: Any) -> None:
        """Serve one connection over a pair of the SDK's message streams, until the read side ends."""
        # No public door leads streams of one's own to an MCPServer, and the ones of `stdio_server` drop what this
        # server answers. It can go once the SDK takes transports from outside:
        # https://github.com/modelcontextprotocol/python-sdk/issues/1187
        lowlevel = self._lowlevel_server
        await lowlevel.run(read_stream, write_stream, lowlevel.create_initialization_options())

    async def answer_alone(self, request: SessionMessage) -> SessionMessage:
        """Return the answer to one request, as a connection that holds nothing else would give it."""
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
        call = boundary.current_call()
        spec, tool = spec_of(name), self._tool(name, context)
        if spec is None or tool is None:
            return boundary.error_result(_not_offered(None if spec in CARD_TOOLS else spec))
        try:
            sifted = boundary.read_arguments(spec, tool, arguments)
            with anyio.fail_after(boundary.CALL_SECONDS):
                async with call.services.waiting_turns if spec.waits else call.services.turns:
                    await call.admitted()
                    result = await self._run(tool, sifted.known, context)
        except CleanlistError as exc:
            return boundary.error_result(exc)
        except TimeoutError:
            return boundary.error_result(boundary.too_slow())
        except ToolError as exc:
            return boundary.error_result(_translated(exc, tool))
        return (
            boundary.naming_ignored(result, sifted.ignored) if isinstance(result, CallToolResult) else result
        )

    async def _run(
        self, tool: Tool, arguments: dict[str, Any], context: Context[Services, Any] | None
    ) -> CallToolResult | InputRequiredResult:
        if context is None or spec_of(tool.name) not in CARD_TOOLS:
            return await super().call_tool(tool.name, arguments, context)
        return cast(CallToolResult, await tool.run(arguments, context, convert_result=True))

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Services, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read a resource; a failure says what to do, in words that carry no data."""
        if str(uri) == CARD_URI and self._shows_cards(context):
            from cleanlist_mcp.server.cards import contents  # here, as above

            return [contents()]
        try:
            check_size_and_secrets({"uri": str(uri)})
            with anyio.fail_after(boundary.CALL_SECONDS):
                await boundary.current_call().admitted()
                return await super().read_resource(uri, context)
        except CleanlistError as exc:
            raise resources.as_resource_error(exc) from None
        except TimeoutError:
            raise resources.as_resource_error(boundary.too_slow()) from None
        except ResourceNotFoundError:
            raise ResourceNotFoundError(_NO_SUCH_RESOURCE) from None  # the SDK's text repeats the address
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
        known = {prompt.name: prompt for prompt in await self.list_prompts()}
        try:
            check_size_and_secrets(arguments or {})
            if name not in known:
                raise ValueError("not offered")
            return await super().get_prompt(name, arguments, context)
        except InvalidArguments as exc:
            raise resources.as_resource_error(exc) from None
        except ValueError:
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
        settings, transport = with_sandbox(settings)
    time = clock or SystemClock()

    @asynccontextmanager
    async def lifespan(_: MCPServer[Services]) -> AsyncIterator[Services]:
        async with anyio.create_task_group() as tasks:
            services = Services(settings, time, tasks, transport)
            if server.gets_ready:
                tasks.start_soon(warm_up, services, server.quiet, make_tools(settings)[:2], server.front)
            try:
                yield services
            finally:
                tasks.cancel_scope.cancel()  # pollers end here; spend requests that have left are shielded
                with anyio.CancelScope(shield=True):
                    await services.aclose()

    server = server_of(settings, of_the_process, lifespan)
    return server


def server_of(
    settings: Settings, surroundings: Surroundings, lifespan: Callable[[Any], Any], **kwargs: Any
) -> CleanlistServer:
    """Return the server with all that it offers; `kwargs` are further ones of `MCPServer`."""
    server = CleanlistServer(
        settings,
        surroundings,
        name="cleanlist-mcp",
        title="Cleanlist",
        version=__version__,
        website_url="https://www.cleanlist.ai",
        lifespan=lifespan,
        log_level="WARNING",
        subscriptions=False,
        **kwargs,
    )
    for (uri, name, title, description), reader in zip(resources.OFFERED, resources.READERS, strict=True):
        offered = server.resource(
            uri, name=name, title=title, description=description, mime_type="application/json"
        )
        offered(reader)
    server.completion()(resources.complete)  # type: ignore[no-untyped-call]
    for prompt in _made_prompts(_names_on(settings)):
        server.add_prompt(prompt)
    return server


def _names_on(settings: Settings) -> frozenset[str]:
    return frozenset(spec.name for spec in switched_on(settings.toolsets, read_only=settings.read_only))


def _prompt_names(settings: Settings) -> set[str]:
    return {prompt.name for prompt in _made_prompts(_names_on(settings))}


def make_tools(settings: Settings) -> list[Tool]:
    """Return the tools that these settings serve, in their order."""
    return list(
        _made_tools(settings.toolsets, settings.read_only, settings.csv_dir is not None, settings.sandbox)
    )


@cache
def _made_tools(
    toolsets: frozenset[str], read_only: bool, has_folder: bool, sandbox: bool
) -> tuple[Tool, ...]:
    """Made once for equal settings."""
    on = switched_on(toolsets, read_only=read_only)
    off = frozenset(spec.name for spec in TOOLS if spec not in on)
    return tuple(_offered_tool(spec, _function_of(spec, has_folder), off, sandbox) for spec in on)


def _function_of(spec: ToolSpec, has_folder: bool) -> str:
    return f"{spec.name}_or_file" if has_folder and spec.name in _WITH_FILES else spec.name


def _offered_tool(spec: ToolSpec, function: str, off: frozenset[str], sandbox: bool) -> Tool:
    """Return a tool as it was kept, or made anew if nothing is kept of it."""

    def make() -> Tool:
        room = next(room for room, names in _ROOMS.items() if spec.name in names)
        functions = import_module(f"cleanlist_mcp.server.tools.{room}")
        return boundary.make_tool(spec, getattr(functions, function), off=off, sandbox=sandbox)

    known = kept.schemas().get(function)
    return (
        make()
        if known is None
        else kept.KeptTool.of(boundary.words_of_tool(spec, function, off), known, make)
    )


@cache
def _made_prompts(tools: frozenset[str]) -> tuple[Prompt, ...]:
    return tuple(
        Prompt.from_function(prompt.function, title=prompt.title, description=f"{prompt.title}.")
        for prompt in prompts.offered(tools)
    )


def with_sandbox(settings: Settings) -> "tuple[Settings, httpx.AsyncBaseTransport]":
    """Return the same settings with the sandbox as the API, its key and address, and the way to it."""
    from cleanlist_mcp.sandbox.app import transport
    from cleanlist_mcp.sandbox.state import Sandbox

    sandbox = Sandbox()
    keep(sandbox.key)
    update = {"api_key": SecretStr(sandbox.key), "base_url": sandbox.base_url}
    return settings.model_copy(update=update), transport(sandbox)


def _blotted(answer: HandlerResult) -> HandlerResult:
    """Return an answer without secrets. A tool's text is its data once more, so one look does for both."""
    if isinstance(answer, dict) and answer.get("structuredContent") is not None:
        data, around = answer["structuredContent"], {**answer, "structuredContent": None}
        clean: dict[str, Any] = blot_all(around)
        if clean == around:
            return answer
        return clean | {"structuredContent": blot_all(data)}
    return blot_all(answer)


def _keep_key(call: Call) -> None:
    """Have the call's key blotted out of its answer, however many other keys were in use meanwhile."""
    if call.settings.api_key is not None:
        keep(call.settings.api_key.get_secret_value())


def _not_offered(spec: ToolSpec | None) -> CleanlistError:
    """Return the refusal of a tool that is off because this server only reads.

    Raises:
        MCPError: if it is off for another reason, or there is no such tool.
    """
    call = boundary.current_call()
    whole = call.services.settings
    if spec is not None and spec.effect != "reads" and call.settings.read_only and not whole.read_only:
        return ReadOnly(
            "This connection is read-only, by its header X-Cleanlist-Read-Only.",
            "Tell the user; only they can take the header out of the client's configuration.",
        )
    if spec is not None and spec.effect != "reads" and call.settings.read_only:
        return ReadOnly(
            "This server is read-only: the tools that spend or write are off.",
            "Tell the user; only they can unset CLEANLIST_READ_ONLY in the client's configuration.",
        )
    by = "CLEANLIST_TOOLSETS" if spec and spec.toolset not in whole.toolsets else "X-Cleanlist-Toolsets"
    off = f" ({by} leaves the toolset {spec.toolset} out)" if spec else ""
    raise MCPError(code=INVALID_PARAMS, message=f"Unknown tool{off}; tools/list names the ones there are.")


def _translated(error: ToolError, tool: Tool) -> CleanlistError:
    cause = error.__cause__
    if isinstance(cause, CleanlistError):
        return cause
    if isinstance(cause, ValidationError) and cause.title == tool.fn_metadata.arg_model.__name__:
        return invalid_arguments(cause, tool.parameters)
    return boundary.unexpected(cause)
