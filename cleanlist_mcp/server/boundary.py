"""Where MCP meets the house: tools in, published schemas out, failures as the error object."""

import functools
import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Container, Iterator, Mapping, Sequence
from contextvars import ContextVar
from difflib import get_close_matches
from typing import Any, Literal, cast, get_type_hints

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cleanlist_mcp.answers.run import progress_sentence
from cleanlist_mcp.answers.shapes import Result, compact
from cleanlist_mcp.api.wire import WorkflowStatus
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.errors import (
    Advice,
    ApiError,
    ApiUnavailable,
    CleanlistError,
    InternalError,
    InvalidArguments,
    OutcomeUnknown,
    where,
)
from cleanlist_mcp.people.identity import MAX_CELL
from cleanlist_mcp.runs.watching import OnChange
from cleanlist_mcp.secrecy import blot, blot_all, holds_secret
from cleanlist_mcp.services import Services
from cleanlist_mcp.text import clean

CALL_SECONDS = 50.0
"""Within this a call answers, dialog, requests and wait together: common hosts give up at 60 s."""

LARGEST_ARGUMENTS = 1_000_000
"""Characters of all arguments of a call together: the API takes 150 KB of people at once."""

LONGEST_TEXT = 10_000
"""Characters of a single text that is looked at at all; the longest one that a tool takes has fewer."""

LONGEST_NAME = 60
"""Characters of the longest name or word that is taken for another one's misspelling."""

LONGEST_LIST, LONGEST_ID = 400, 600
"""Characters of the longest list_id, twice as many as a list's name may have, and of the longest other id: generous,
for what people paste with white space around it."""

Cell = Field(max_length=MAX_CELL)
"""The length of one field of a person, as it is pasted."""

MOST_VALUES = 10_000
"""Values and names in the arguments of one call: 500 people with every field have 8,500."""

ERROR_WORD = "Error: "
"""Word before the error object."""

ERROR_META = "ai.cleanlist/error"

READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True
)
WRITES = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True
)
# Spent credits do not come back. A repeat is caught by the journal, but `again` makes it no promise.
SPENDS = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True
)

log = logging.getLogger("cleanlist_mcp")
_call: ContextVar[Call] = ContextVar("call")

ToolFunction = Callable[..., Awaitable[Result]]


def begin_call(services: Services) -> None:
    """Start the time that the request which begins now has."""
    _call.set(Call(services, CALL_SECONDS))


def current_call(ctx: Context[Any, Any] | None = None) -> Call:
    """Return the call that is running; with `ctx`, its progress is shown to the client."""
    call = _call.get()
    if ctx is not None:
        call.on_change = _progress(ctx)
    return call


def _progress(ctx: Context[Any, Any]) -> OnChange:
    async def show(status: WorkflowStatus) -> None:
        sentence = blot(progress_sentence(status))
        await ctx.report_progress(status.processed, status.total or None, sentence)

    return show


def _may_have_charged() -> bool:
    call = _call.get(None)
    return call is not None and call.may_have_charged


def make_tool(
    name: str,
    function: ToolFunction,
    title: str,
    hints: ToolAnnotations,
    *,
    off: Sequence[str],
    sandbox: bool,
) -> Tool:
    """The MCP tool of an async function whose docstring is its description, less what it says about tools that
    are `off`.

    Arguments are closed (unknown names are refused) and published without null arms; the answer goes out as
    compact text that equals the structured content.
    """
    result_type = get_type_hints(function, include_extras=True)["return"]

    @functools.wraps(function)
    async def answering(*args: Any, **kwargs: Any) -> CallToolResult:
        return _answer(await function(*args, **kwargs), sandbox=sandbox)

    tool = Tool.from_function(
        answering,
        name=name,
        title=title,
        description=_without(off, inspect.cleandoc(function.__doc__ or "")),
        annotations=hints,
        structured_output=False,  # the answer is ours; the schema that it keeps to is set below
    )
    _close_arguments(tool)
    tool.fn_metadata.output_schema = plain_schema(result_type, mode="serialization")
    return tool


def error_result(error: CleanlistError) -> CallToolResult:
    """Return the error object of the contract as text that is no JSON by itself.

    Some clients take a text that is JSON, or structured content, for the tool's answer and check it against the output
    schema; their models would then read about the schema and not about the error.
    """
    body = error_body(error)
    return CallToolResult(
        is_error=True,
        content=[TextContent(type="text", text=ERROR_WORD + compact({"error": body}))],
        _meta={ERROR_META: {"code": body["code"], "charged": body["charged"]}},
    )


def error_body(error: CleanlistError) -> dict[str, Any]:
    """A failure as the contract's members, absent ones left out, without secrets."""
    api = error if isinstance(error, ApiError) else None
    body = {
        "code": error.code,
        "message": error.message,
        "charged": error.charged,
        "retryable": error.retryable,
        "retry_after_seconds": None if error.retry_after is None else round(error.retry_after, 1),
        "next_step": _for_a_model(error.next_step),
        "field_errors": error.field_errors,
        "request_id": api.answered.request_id if api else None,
        "docs_url": api.answered.docs_url if api else None,
        **error.figures,
    }
    return blot_all({name: value for name, value in body.items() if value is not None})


def _for_a_model(next_step: str) -> str:
    """Return a next step addressed to an assistant, also one that only the user can take."""
    return f"Ask the user: {next_step}" if isinstance(next_step, Advice) else next_step


def invalid_arguments(error: ValidationError, schema: dict[str, Any]) -> InvalidArguments:
    """What is wrong with the arguments, in words that repeat no value."""
    fields = [
        _field_error(item["type"], _named(schema, item["loc"]), item["msg"], _known_at(schema, item["loc"]))
        for item in error.errors(include_url=False, include_context=False, include_input=False)[:20]
        if item["type"]
        != "none_required"  # null is the other way to leave an argument out, and not published
    ]
    named = "; ".join(dict.fromkeys(field["field"] for field in fields))
    return InvalidArguments(
        f"Wrong arguments: {named}.",
        "Correct them as field_errors says, then call again.",
        field_errors=fields,
    )


def check_given(arguments: Mapping[str, Any], lists: Container[str] = ()) -> None:
    """Refuse what must not be looked at more closely: arguments out of all proportion, and ones that hold a secret.

    `lists` are the arguments that may be long because they hold many values, also as JSON in one text. Requests to
    the API are never rewritten, so that a secret cannot simply be left out of them.

    Raises:
        InvalidArguments: naming the argument and nothing that stands in it.
    """
    room, count = LARGEST_ARGUMENTS, 0
    for argument, text in _texts(arguments):
        room, count = room - len(text), count + 1
        if room < 0 or count > MOST_VALUES or (len(text) > LONGEST_TEXT and argument not in lists):
            raise InvalidArguments(
                f"{argument} is far longer than anything that this server takes.",
                "Call again with a shorter value, or in several calls.",
                field_errors=[{"field": argument, "problem": "is far too long"}],
            )
    for argument, text in _texts(arguments):
        if holds_secret(text):
            raise InvalidArguments(
                f"{argument} holds what looks like an API key. Nothing was sent.",
                "Call again without it, and tell the user: a key belongs into the client's configuration alone.",
                field_errors=[{"field": argument, "problem": "holds what looks like an API key"}],
            )


def _texts(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every text in the arguments with the argument's name, an empty one for whatever else is there; a name is
    a text too, which cannot be named by itself."""
    for name, value in arguments.items():
        yield "An argument's name", name
        shown = clean(name, LONGEST_NAME) or "An argument"
        waiting = [value]
        while waiting:
            item = waiting.pop()
            yield shown, item if isinstance(item, str) else ""
            if isinstance(item, dict):
                waiting += [*item, *item.values()]
            elif isinstance(item, list):
                waiting += item


def unexpected(error: BaseException | None) -> InternalError:
    """A defect, told without its text, which could hold anything; the log gets its type and place."""
    log.error("Unexpected %s", where(error))
    return InternalError(
        "This server failed; the fault is in it and not in the arguments.",
        "Call workflow_status without arguments to see what was started, and report the fault.",
        charged="unknown" if _may_have_charged() else "no",
    )


def too_slow() -> CleanlistError:
    """The call's time is over and no answer is there."""
    message = f"No complete answer came within {CALL_SECONDS:g} seconds."
    if _may_have_charged():
        return OutcomeUnknown(
            message,
            "Call workflow_status without arguments to see what was started; do not repeat the call before.",
            charged="unknown",
        )
    return ApiUnavailable(message, "Try again in a minute; nothing was started.")


def plain_schema(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> dict[str, Any]:
    """The JSON schema of a model without titles, references and null arms, which some clients refuse."""
    schema = model.model_json_schema(mode=mode)
    plain = _plain(schema, schema.get("$defs", {}))
    assert isinstance(plain, dict)  # noqa: S101 - an object stays one
    return plain


def data_of(result: Result, *, sandbox: bool) -> dict[str, Any]:
    """What an answer says, absent members and secrets left out; one of the sandbox says so first."""
    if sandbox:
        result = result.model_copy(update={"summary": f"Sandbox: {result.summary}"})
    return blot_all(result.model_dump(mode="json", exclude_none=True))


def _without(off: Sequence[str], description: str) -> str:
    """`description` without the sentences that name a tool that is off."""
    sentences = re.split(r"(?<=\.)(?=\s)", description)
    return "".join(text for text in sentences if not any(re.search(rf"\b{name}\b", text) for name in off))


def _answer(result: Result, *, sandbox: bool) -> CallToolResult:
    data = data_of(result, sandbox=sandbox)
    return CallToolResult(content=[TextContent(type="text", text=compact(data))], structured_content=data)


def _close_arguments(tool: Tool) -> None:
    open_model = tool.fn_metadata.arg_model
    closed = cast(
        type[ArgModelBase],
        type(open_model.__name__, (open_model,), {"model_config": ConfigDict(extra="forbid")}),
    )
    tool.fn_metadata.arg_model = closed
    tool.parameters = {"type": "object", "properties": {}} | plain_schema(closed, mode="validation")


def _plain(node: Any, definitions: dict[str, Any]) -> Any:
    """`node` with its references resolved and everything dropped that only some readers understand."""
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        # Without its docstring, which is for readers of the code.
        named = {k: v for k, v in definitions[node["$ref"].rsplit("/", 1)[-1]].items() if k != "description"}
        node = named | {k: v for k, v in node.items() if k != "$ref"}
    arms = [arm for arm in node.get("anyOf", []) if arm.get("type") != "null"]
    if len(arms) == 1:
        node = arms[0] | {name: value for name, value in node.items() if name != "anyOf"}
        return _plain(node, definitions)
    plain: dict[str, Any] = {}
    for name, value in node.items():
        if name == "properties":
            plain[name] = {key: _plain(item, definitions) for key, item in value.items()}
        elif name not in ("$defs", "title") and not (name == "default" and value in (None, "", [])):
            plain[name] = _plain(value, definitions)
    return plain


def _named(schema: dict[str, Any], location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """`location` without pydantic's names for the arms of a union, which nobody outside knows."""
    named: list[int | str] = []
    for part in location:
        node = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        if node is None:
            # What the schema does not know is an unknown argument where names are expected, else an arm.
            return (*named, part) if "properties" in schema else tuple(named)
        named.append(part)
        schema = node
    return tuple(named)


def _known_at(schema: dict[str, Any], location: tuple[int | str, ...]) -> list[str]:
    """The names that the schema knows where `location` points."""
    for part in location[:-1]:
        schema = (
            schema.get("items", {}) if isinstance(part, int) else schema.get("properties", {}).get(part, {})
        )
    return list(schema.get("properties", {}))


def _field_error(
    kind: str, location: tuple[int | str, ...], message: str, known: Sequence[str]
) -> dict[str, str]:
    field = clean(_place(location), 60) or "arguments"
    if kind == "extra_forbidden":
        where = "field of a person" if len(location) > 1 else "argument of this tool"
        return {"field": field, "problem": f"is no {where}; {_hint(str(location[-1]), known)}"}
    if kind == "list_type":
        return {"field": field, "problem": "is no list of records, or broken JSON"}
    if kind == "too_long" and location == ("people",):
        return {"field": field, "problem": "takes at most 500 people a call; send the rest in another"}
    if kind in ("model_type", "model_attributes_type"):
        return {"field": field, "problem": 'is no record; give an object such as {"email": "…"}'}
    return {"field": field, "problem": _decapitalised(message)}


# One thing that the tools name differently, as the API does, or that people call so.
_SIBLINGS = {
    "type": ("scope",),
    "name": ("list_id", "query"),
    "list_name": ("list_id", "query", "name"),
}


def _place(location: tuple[int | str, ...]) -> str:
    """An argument's name; inside a list, the row and the field, counted from 1 as in all answers."""
    rows = [part for part in location if isinstance(part, int)]
    if not rows:
        return ".".join(str(part) for part in location)
    inside = "" if isinstance(location[-1], int) else f", {location[-1]}"
    return f"row {rows[0] + 1}{inside}"


def _hint(name: str, known: Sequence[str]) -> str:
    if name in ("name", "full_name") and "first_name" in known:
        return "split it into first_name and last_name"
    if name == "person_id" and not {"first_name", "people"}.isdisjoint(known):
        return "ids cannot be imported; enrich_person takes them"
    if name == "csv_path":
        return "files are read only where the user sets CLEANLIST_CSV_DIR"
    near = _nearest(name, known)
    return f"did you mean {near}?" if near else f"known are {', '.join(known) or 'none'}"


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that was probably meant: the sibling's word, spelt alike, or with the given word in it."""
    for sibling in _SIBLINGS.get(name, ()):
        if sibling in known:
            return sibling
    if len(name) > LONGEST_NAME:
        return None
    alike = get_close_matches(name, known, n=1, cutoff=0.6)
    return next(iter(alike + [item for item in known if name in item.split("_")]), None)


def _decapitalised(message: str) -> str:
    # pydantic's wording names types and bounds, never the value.
    return message[:1].lower() + message[1:200]


def _scope_word(value: Any) -> Any:
    if not isinstance(value, str) or len(value) > LONGEST_NAME:
        return value
    return value.strip().casefold().replace("-", "_")


ScopeWord = BeforeValidator(_scope_word)
"""Understands `phone-only`, the API's own spelling on list endpoints."""
