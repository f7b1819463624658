"""Resources: the account, prices, runs and lists, for clients that attach context instead of calling tools."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from cleanlist_mcp.errors import CallRefused, CleanlistError, InvalidArguments, NotFound, for_a_model
from cleanlist_mcp.secrecy import MARK, holds_secret
from cleanlist_mcp.server import boundary

if TYPE_CHECKING:
    from cleanlist_mcp.answers.shapes import Result

RECENT_RUNS = 50
"""Runs that `cleanlist://runs` lists."""

LEADS_SHOWN = 50
"""Rows of a list that its resource shows."""

COMPLETIONS = 100
"""The protocol's most for one completion."""

LONGEST_TYPED = 1_000
"""Characters of the longest beginning that is completed."""

OFFERED: tuple[tuple[str, str, str, str], ...] = (
    (
        "cleanlist://account",
        "account",
        "Account",
        "Whose key is in use, its plan, the credits left, what was spent from here in 24 hours, and the limits.",
    ),
    (
        "cleanlist://pricing",
        "pricing",
        "Pricing",
        "The price of each scope, and when nothing is charged.",
    ),
    ("cleanlist://runs", "runs", "Runs", "Runs started from here, newest first, with their credits."),
    (
        "cleanlist://runs/{workflow_id}",
        "run",
        "Run",
        "One run: its state, its result and its cost.",
    ),
    ("cleanlist://lists", "lists", "Lead lists", "The user's lead lists with their ids and lead counts."),
    ("cleanlist://lists/{list_id}", "list", "Lead list", "The first people in one lead list."),
)
"""Address, name, title and description of each. Some clients let people choose by the name."""


# Readers import what they need themselves: a start lists resources and reads none.


async def read_account() -> str:
    from cleanlist_mcp.answers.shapes import compact
    from cleanlist_mcp.calls import account

    call = boundary.current_call()
    who = await account.describe(call)
    return compact(
        _data(who.model_copy(update={"next_step": None}))
        | {"balance": _data(await account.balance(call.services))}
    )


async def read_pricing() -> str:
    from cleanlist_mcp.money import prices

    data = {
        "credits_per_person_or_row": [
            {"scope": scope, "finds": prices.FINDS[scope], "at_most": price}
            for scope, price in prices.PRICES.items()
        ],
        "credits_per_company": prices.COMPANY_PRICE,
        "rules": [
            "Credits are reserved when a run starts and settled when it ends.",
            "What is not found is refunded; looking, searching, estimating and status are free.",
            "A list is enriched only for a quote that estimate returned.",
        ],
    }
    return _summed_up("The most that a person or row costs, by scope.", data)


async def read_runs() -> str:
    from cleanlist_mcp.answers.run import recent_run

    services = boundary.current_call().services
    now = services.clock.time()
    runs = [
        recent_run(run, now).model_dump(exclude_none=True)
        for run in await services.journal.recent(RECENT_RUNS)
    ]
    return _summed_up("Runs that were started from here, newest first.", {"runs": runs})


async def read_run(workflow_id: str, ctx: Context[Any, Any]) -> str:
    from cleanlist_mcp.answers.shapes import compact
    from cleanlist_mcp.calls.run import RunFollower

    call = boundary.current_call(ctx)
    if not workflow_id:
        raise InvalidArguments("The address names no run.", "cleanlist://runs lists the ones that are known.")
    return compact(_data(await RunFollower(call).one(workflow_id, 0)))


async def read_lists() -> str:
    from cleanlist_mcp.answers.shapes import compact
    from cleanlist_mcp.api.wire import LISTS_PAGE
    from cleanlist_mcp.calls import browsing

    call = boundary.current_call()
    return compact(_data(await browsing.find_lists(call, "", LISTS_PAGE, "")))


async def read_list(list_id: str, ctx: Context[Any, Any]) -> str:
    from cleanlist_mcp.answers.shapes import compact
    from cleanlist_mcp.calls import browsing
    from cleanlist_mcp.lists.filtering import Wanted

    call = boundary.current_call(ctx)
    return compact(_data(await browsing.get_leads(call, list_id, LEADS_SHOWN, "", Wanted())))


READERS: tuple[Callable[..., Awaitable[str]], ...] = (
    read_account,
    read_pricing,
    read_runs,
    read_run,
    read_lists,
    read_list,
)
"""In the order of `OFFERED`."""


async def complete(
    ref: PromptReference | ResourceTemplateReference,
    argument: CompletionArgument,
    context: CompletionContext | None,
) -> Completion | None:
    """Complete the ids of lists and runs; a list is found by its name too."""
    if len(argument.value) > LONGEST_TYPED or holds_secret(argument.value):
        return None
    with anyio.move_on_after(boundary.CALL_SECONDS), suppress(CleanlistError):
        await boundary.current_call().admitted()
        return await _complete(argument.name, argument.value.casefold())
    return None  # a completion only helps with typing; the call itself reports what is wrong


async def _complete(name: str, wanted: str) -> Completion | None:
    services = boundary.current_call().services
    if name == "workflow_id":
        known = [run.workflow_id for run in await services.journal.recent(COMPLETIONS) if run.workflow_id]
        return _completion(item for item in known if item.casefold().startswith(wanted))
    if name == "list_id":
        lists = await services.directory.remembered()
        return _completion(
            item.list_id
            for item in lists
            if item.list_id.casefold().startswith(wanted) or wanted in item.name.casefold()
        )
    if name == "list_name":
        lists = await services.directory.remembered()
        return _completion(item.name for item in lists if wanted in item.name.casefold())
    return None


def as_resource_error(error: CleanlistError) -> ResourceError | MCPError:
    """Return a failure in the words that a resource can answer with; a wrong address is a wrong request."""
    text = boundary.worded(f"{error.message} {for_a_model(error.next_step)}")
    if isinstance(error, CallRefused):
        return MCPError(code=INVALID_PARAMS, message=text)
    return ResourceNotFoundError(text) if isinstance(error, NotFound) else ResourceError(text)


def _completion(values: Iterable[str]) -> Completion:
    found = [value for value in values if MARK not in value]  # who takes one of these means nothing by it
    return Completion(values=found[:COMPLETIONS], total=len(found), has_more=len(found) > COMPLETIONS)


def _summed_up(summary: str, data: dict[str, Any]) -> str:
    """Return the text of a resource that no tool answers with; in the sandbox it begins with that."""
    from cleanlist_mcp.answers.shapes import Result, compact

    return compact(_data(Result(summary=summary)) | data)


def _data(result: "Result") -> dict[str, Any]:
    return boundary.data_of(result, sandbox=boundary.current_call().settings.sandbox)
