"""The boundary between MCP and the house: tools in, answers and the error object out."""

import functools
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast, get_type_hints

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import ConfigDict

from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.errors import (
    ApiError,
    ApiUnavailable,
    CleanlistError,
    InternalError,
    OutcomeUnknown,
    for_a_model,
    where,
)
from cleanlist_mcp.secrecy import blot, blot_all
from cleanlist_mcp.server.arguments import (
    MOST_IGNORED,
    Sifted,
    check_required,
    check_size_and_secrets,
    check_undamaged,
    sift,
)
from cleanlist_mcp.server.descriptions import description
from cleanlist_mcp.server.reading import read
from cleanlist_mcp.server.schemas import input_schema, output_schema, validated_schema
from cleanlist_mcp.server.words import of_a_service
from cleanlist_mcp.settings import Settings
from cleanlist_mcp.toolset import ToolSpec

if TYPE_CHECKING:
    from cleanlist_mcp.answers.shapes import Result
    from cleanlist_mcp.api.wire import WorkflowStatus
    from cleanlist_mcp.runs.watching import OnChange

# Answers, and the parts that calls work with, load with the first call: a start lists tools and needs none of them.

CALL_SECONDS = 50.0
"""Within this a call answers, dialog, requests and wait together: common hosts give up at 60 s."""

ERROR_WORD = "Error: "
"""Word before the error object."""

ERROR_META = "ai.cleanlist/error"

log = logging.getLogger("cleanlist_mcp")
_call: ContextVar[Call] = ContextVar("call")

ToolFunction = Callable[..., Awaitable["Result"]]


def begin_call(call: Call) -> None:
    """Make `call` the one that runs in this task."""
    _call.set(call)


def current_call(ctx: Context[Any, Any] | None = None) -> Call:
    """Return the call that is running; with `ctx`, its progress is shown to the client."""
    call = _call.get()
    if ctx is not None:
        call.on_change = _progress(ctx)
    return call


def settings_of_call(otherwise: Settings) -> Settings:
    """Return the settings of the call that is running; `otherwise` outside of any call."""
    call = _call.get(None)
    return otherwise if call is None else call.settings


def _progress(ctx: Context[Any, Any]) -> "OnChange":
    async def show(status: "WorkflowStatus") -> None:
        from cleanlist_mcp.answers.run import progress_sentence  # here, because few calls wait for a run

        sentence = blot(progress_sentence(status))
        await ctx.report_progress(status.processed, status.total or None, sentence)

    return show


def _may_have_charged() -> bool:
    call = _call.get(None)
    return call is not None and call.may_have_charged


def make_tool(spec: ToolSpec, function: ToolFunction, *, off: Collection[str], sandbox: bool) -> Tool:
    """Return the MCP tool that carries out `spec` by an async function; its description names no tool that is `off`.

    The answer goes out as compact text that equals the structured content.
    """
    result_type = get_type_hints(function, include_extras=True)["return"]

    @functools.wraps(function)
    async def answering(*args: Any, **kwargs: Any) -> CallToolResult:
        data = data_of(await function(*args, **kwargs), sandbox=sandbox)
        return answer(data, beside=current_call().beside)

    tool = Tool.from_function(
        answering,
        structured_output=False,  # the answer is ours; the schema that it keeps to is set below
        **words_of_tool(spec, function.__name__, off),
    )
    # The SDK ignores names that it does not know. None gets so far here, and one that did would be a defect
    # (https://github.com/modelcontextprotocol/python-sdk/issues/3067 asks for it; once it is there, this can go).
    closed = _closed(tool.fn_metadata.arg_model)
    schema = output_schema(result_type, reads=spec.effect == "reads")
    tool.fn_metadata = _AsRead(arg_model=closed, output_schema=schema)
    tool.parameters = input_schema(closed)
    return tool


def words_of_tool(spec: ToolSpec, function: str, off: Collection[str]) -> dict[str, Any]:
    """Return what a tool is listed with, besides its schemas."""
    return {
        "name": spec.name,
        "title": spec.title,
        "description": description(function, off),
        "annotations": _hints(spec),
    }


def _hints(spec: ToolSpec) -> ToolAnnotations:
    """Return all four behaviour hints. Of spending, `again` makes no repeat harmless."""
    return ToolAnnotations(
        read_only_hint=spec.effect == "reads",
        destructive_hint=spec.is_destructive,
        idempotent_hint=spec.effect != "spends",
        open_world_hint=True,
    )


def _closed(open_model: type[ArgModelBase]) -> type[ArgModelBase]:
    closed = type(open_model.__name__, (open_model,), {"model_config": ConfigDict(extra="forbid")})
    return cast(type[ArgModelBase], closed)


class _AsRead(FuncMetadata):
    """Arguments taken as `reading` left them.

    The SDK would read JSON in texts once more, and take the text "null" for no limit on spending. The method is public
    and its module is not documented: it can go once the SDK lets a tool bring its own model of arguments
    (https://github.com/modelcontextprotocol/python-sdk/issues/3067 is about what that model allows).
    """

    def pre_parse_json(self, data: dict[str, Any]) -> dict[str, Any]:
        return data


def read_arguments(spec: ToolSpec, tool: Tool, given: dict[str, Any]) -> Sifted:
    """Return the arguments of a call as they were meant, and the names of those that were dropped.

    Raises:
        InvalidArguments: for what must not be carried out, whatever validation would make of it.
    """
    schema = validated_schema(tool.fn_metadata.arg_model)
    known = schema["properties"]
    lists = [name for name in known if known[name].get("type") == "array"]
    check_size_and_secrets(given, lists)
    reads = spec.effect == "reads"
    sifted = sift(spec.name, given, list(known), reads=reads)
    check_required(sifted.known, schema)
    arguments = read(sifted.known, schema)
    check_undamaged(arguments, reads=reads)
    return Sifted(arguments, sifted.ignored)


def naming_ignored(result: CallToolResult, ignored: Sequence[str]) -> CallToolResult:
    """Return an answer that also names the arguments that were ignored; an error stays as it is."""
    if not ignored or result.is_error or result.structured_content is None:
        return result
    named = result.structured_content | {"ignored_arguments": list(ignored[:MOST_IGNORED])}
    return answer(named, beside=result.meta or {})


def error_result(error: CleanlistError) -> CallToolResult:
    """Return the error object of the contract as text that is no JSON by itself.

    Some clients take a text that is JSON, or structured content, for the tool's answer and check it against the output
    schema; their models would then read about the schema and not about the error.
    """
    from cleanlist_mcp.answers.shapes import compact

    body = error_body(error)
    return CallToolResult(
        is_error=True,
        content=[TextContent(type="text", text=ERROR_WORD + compact({"error": body}))],
        _meta={ERROR_META: {"code": body["code"], "charged": body["charged"]}},
    )


def error_body(error: CleanlistError) -> dict[str, Any]:
    """Return the members of the error object, absent ones left out, without secrets."""
    api = error if isinstance(error, ApiError) else None
    body = {
        "code": error.code,
        "message": worded(error.message),
        "charged": error.charged,
        "retryable": error.retryable,
        "retry_after_seconds": None if error.retry_after is None else round(error.retry_after, 1),
        "next_step": worded(for_a_model(error.next_step)),
        "field_errors": _worded_fields(error.field_errors),
        "request_id": api.answered.request_id if api else None,
        "docs_url": api.answered.docs_url if api else None,
        **error.figures,
    }
    return blot_all({name: value for name, value in body.items() if value is not None})


def _worded_fields(fields: list[dict[str, str]] | None) -> list[dict[str, str]] | None:
    return fields and [field | {"problem": worded(field["problem"])} for field in fields]


def unexpected(error: BaseException | None) -> InternalError:
    """Return the error for a defect, without its own text, which could hold anything; log its type and place."""
    log.error("Unexpected %s", where(error))
    return InternalError(
        "This server failed; the error is in it and not in the arguments.",
        "Call workflow_status without arguments to see what was started, and report the error.",
        charged="unknown" if _may_have_charged() else "no",
    )


def too_slow() -> CleanlistError:
    """Return the error for a call whose time is over before its answer is there."""
    message = f"No complete answer came within {CALL_SECONDS:g} seconds."
    if _may_have_charged():
        return OutcomeUnknown(
            message,
            "Call workflow_status without arguments to see what was started; do not repeat the call before that.",
            charged="unknown",
        )
    return ApiUnavailable(message, "Try again in a minute; nothing was started.")


def data_of(result: "Result", *, sandbox: bool) -> dict[str, Any]:
    """Return an answer as data, absent members and secrets left out; in the sandbox its summary begins with that."""
    data = result.model_dump(mode="json", exclude_none=True)
    for name in ("summary", "next_step"):
        if name in data:
            data[name] = worded(data[name])
    if sandbox:
        data["summary"] = f"Sandbox: {data['summary']}"
    return blot_all(data)


def worded(text: str) -> str:
    """Return a text of ours in the words of a service, if this is one."""
    call = _call.get(None)
    if call is None or not call.settings.over_http:
        return text
    return of_a_service(text, signs_in=call.settings.auth == "oauth")


def answer(data: dict[str, Any], *, beside: Mapping[str, Any]) -> CallToolResult:
    """Return the result of a call: the data, the same as compact text, and `beside` them what no model reads."""
    from cleanlist_mcp.answers.shapes import compact

    return CallToolResult(
        content=[TextContent(type="text", text=compact(data))],
        structured_content=data,
        _meta=dict(beside) or None,
    )
