"""Quote, spend, follow: the tools around a paid run."""

from typing import Annotated, Any

from mcp.server.mcpserver import Context, Elicit, ElicitationResult, Resolve
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from cleanlist_mcp.answers.estimate import people_estimate
from cleanlist_mcp.answers.person import asked_of
from cleanlist_mcp.answers.run import not_started
from cleanlist_mcp.answers.run_shapes import EstimateResult, RunReport, WorkflowReport
from cleanlist_mcp.calls.call import Call
from cleanlist_mcp.calls.exclusions import excluded_rows, exclusions_of, require_allowed
from cleanlist_mcp.calls.person import aim, into, label, read_person
from cleanlist_mcp.calls.quotes import KnownQuote, Quotes
from cleanlist_mcp.calls.run import RunFollower
from cleanlist_mcp.errors import InvalidArguments
from cleanlist_mcp.money.limits import Spent
from cleanlist_mcp.money.picking import Wishes
from cleanlist_mcp.money.prices import PRICES, Scope
from cleanlist_mcp.money.quotes import check_ceiling, within
from cleanlist_mcp.people.same_person import marks_of
from cleanlist_mcp.runs.spending import Started
from cleanlist_mcp.server import dialog
from cleanlist_mcp.server.arguments import LONGEST_ID, LONGEST_LIST, Cell
from cleanlist_mcp.server.boundary import current_call
from cleanlist_mcp.server.declared import declared_by
from cleanlist_mcp.server.dialog import Approval, Verdict

ScopeArgument = Annotated[
    Scope,
    Field(description="partial: e-mail, 1 credit; phone_only: phone, 10; full: both, 11 (each, at most)"),
]
MOST_ROWS = 500
"""Rows of a list that can be chosen by their ids at once: a quote takes those of one page."""

RowId = Annotated[str, Field(max_length=LONGEST_ID)]
WaitArgument = Annotated[
    int,
    Field(
        strict=True, ge=0, le=45, description="Seconds to wait for the end, 0-45; the run goes on regardless."
    ),
]


async def estimate(
    ctx: Context[Any, Any],
    scope: ScopeArgument = "partial",
    list_id: Annotated[
        str, Field(max_length=LONGEST_LIST, description="The list to enrich: its id or exact name.")
    ] = "",
    people_count: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=100_000)] | SkipJsonSchema[None],
        Field(description="Instead of a list: how many single people."),
    ] = None,
    only_missing: Annotated[
        Annotated[bool, Field(strict=True)] | SkipJsonSchema[None],
        Field(description="Default true: rows that have it are left out. false: the whole list."),
    ] = None,
    lead_ids: Annotated[
        Annotated[list[RowId], Field(max_length=MOST_ROWS)] | SkipJsonSchema[None],
        Field(description="Only these rows, by lead_id."),
    ] = None,
    max_rows: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | SkipJsonSchema[None],
        Field(description="Only so many rows, from the top."),
    ] = None,
    max_credits: Annotated[
        Annotated[int, Field(strict=True, ge=0)] | SkipJsonSchema[None],
        Field(description="Only as many rows as it pays for."),
    ] = None,
) -> EstimateResult:
    """Quote a list or rows of it, or return the price of single people."""
    call = current_call(ctx)
    if bool(list_id.strip()) == (people_count is not None):
        raise InvalidArguments(
            "Give exactly one of list_id and people_count.",
            "Call estimate with list_id (a list's id or exact name), or with people_count for single people.",
        )
    wishes = Wishes(only_missing, _ids(lead_ids), max_rows, max_credits)
    if people_count is not None:
        _require_no_wishes(wishes)
        return await _of_people(call, people_count, scope)
    found_id, name = await call.services.directory.resolve(list_id, lists_on=call.settings.lists_on)
    result = await Quotes(call).estimate(found_id, name, scope, wishes, await excluded_rows(call, found_id))
    client = declared_by(ctx)
    if client.shows_cards and call.settings.cards != "never":
        from cleanlist_mcp.calls.cards import Cards  # here: few clients need it

        await Cards(call, client.name).give_proof(result)
    return result


def _ids(lead_ids: list[str] | None) -> frozenset[str] | None:
    return frozenset(lead_id.strip() for lead_id in lead_ids) if lead_ids else None


def _require_no_wishes(wishes: Wishes) -> None:
    if wishes.choose:
        raise InvalidArguments(
            "lead_ids, max_rows and max_credits choose rows of a list, but people_count has no rows.",
            "Call estimate with people_count and scope alone, or with list_id.",
        )


async def _of_people(call: Call, count: int, scope: Scope) -> EstimateResult:
    services = call.services
    balance = await services.client.balance()
    spent = await services.journal.spent_if_readable() or Spent(0, 0, 0)
    return people_estimate(
        count, scope, balance.credits, spent, call.limits, read_only=call.settings.read_only
    )


async def enrich_person(
    ctx: Context[Any, Any],
    email: Annotated[str, Cell, Field(description="Enough alone.")] = "",
    linkedin_url: Annotated[str, Cell, Field(description="Profile address; enough alone.")] = "",
    person_id: Annotated[str, Cell, Field(description="Cleanlist's id; enough alone.")] = "",
    first_name: Annotated[str, Cell, Field(description="With last_name and company_name or domain.")] = "",
    last_name: Annotated[str, Cell, Field(description="With first_name and company_name or domain.")] = "",
    company_name: Annotated[str, Cell, Field(description="Employer.")] = "",
    domain: Annotated[str, Cell, Field(description="Employer's web domain; better than its name.")] = "",
    scope: ScopeArgument = "partial",
    list_id: Annotated[
        str,
        Field(
            max_length=LONGEST_LIST,
            description='List for the result: id or exact name. Default: "MCP Results".',
        ),
    ] = "",
    max_credits: Annotated[
        Annotated[int, Field(strict=True, ge=0)] | SkipJsonSchema[None],
        Field(description="The most that this call may spend."),
    ] = None,
    wait_seconds: WaitArgument = 20,
    again: Annotated[
        bool,
        Field(strict=True, description="Pay again for a person whose run has ended; ask the user first."),
    ] = False,
) -> RunReport:
    """Find one person; paid."""
    call = current_call(ctx)
    person = read_person(
        email=email,
        linkedin_url=linkedin_url,
        person_id=person_id,
        first_name=first_name,
        last_name=last_name,
        company_name=company_name,
        domain=domain,
    )
    await require_allowed(call, person)
    check_ceiling(PRICES[scope], max_credits, scope)
    await Quotes(call).require_usable_journal()
    target = await aim(call, person, scope, list_id)
    started = await call.services.workflows.start_person(
        target.request,
        marks=marks_of(person),
        into=await into(call, target),
        label=label(person),
        list_name=target.list_name,
        again=again,
        caller=call,
    )
    return await RunFollower(call, asked_of(person)).follow(started, wait_seconds)


async def known_quote(
    list_id: str, scope: Scope, quote_id: str, max_credits: int | None, ctx: Context[Any, Any]
) -> KnownQuote:
    """Fill `known`: the quote that is named, if it may be spent."""
    call = current_call(ctx)
    await exclusions_of(call)  # nothing is spent while the file cannot be used
    return await Quotes(call).known(quote_id, list_id, scope, max_credits)


async def ask_before_spending(
    known: Annotated[KnownQuote, Resolve(known_quote)], ctx: Context[Any, Any]
) -> Elicit[Approval] | Verdict:
    """Fill `approval`: ask the person if the client can. Starts nothing."""
    call = current_call(ctx)
    if known.run is None:
        await call.services.workflows.require_free(known.quote)
        if not dialog.can_ask(ctx) and await _awaits_card(ctx, call, known.quote.quote_id):
            return Verdict("awaiting_approval")
    elif not known.may_send:
        return Verdict("go")  # nothing is sent: that run is only returned, or reported as unknown
    else:
        call.may_charge()  # through an earlier call
        if call.settings.confirm == "always" and not dialog.can_ask(ctx):
            raise call.services.workflows.unknown(known.run)
    return await dialog.ask(ctx, call, known.quote)


async def _awaits_card(ctx: Context[Any, Any], call: Call, quote_id: str) -> bool:
    """Return whether the client shows cards, and one has shown this quote with its button."""
    settings = call.settings
    if settings.confirm != "auto" or settings.cards == "never" or not declared_by(ctx).shows_cards:
        return False
    return await call.services.journal.cards.was_shown(quote_id)


async def enrich_list(
    ctx: Context[Any, Any],
    list_id: Annotated[
        str, Field(max_length=LONGEST_LIST, description="The list's id, as the quote has it.")
    ],
    scope: ScopeArgument,
    quote_id: Annotated[
        str, Field(max_length=LONGEST_ID, description="From estimate, for this list and scope.")
    ],
    known: Annotated[KnownQuote, Resolve(known_quote)],
    approval: Annotated[ElicitationResult[Approval], Resolve(ask_before_spending)],
    max_credits: Annotated[
        Annotated[int, Field(strict=True, ge=0)] | SkipJsonSchema[None],
        Field(description="The most that this call may spend."),
    ] = None,
    wait_seconds: WaitArgument = 20,
) -> RunReport:
    """Enrich a list for its quote; paid."""
    call = current_call(ctx)
    follower = RunFollower(call)
    answer = dialog.verdict(approval)
    if answer.word != "go":
        run = await call.services.journal.run_of_quote(quote_id)  # another call may have started it meanwhile
        if run is None:
            return not_started(known.quote, answer.word)
        if run.workflow_id is None:
            raise call.services.workflows.unknown(run)  # not sent again, and it may have started before
        return await follower.follow(Started(run, replayed=True), wait_seconds)
    asked = call.settings.confirm != "always" or dialog.was_asked(approval)
    started = await call.services.workflows.start_list(
        known.quote,
        may_resend=within(known.quote.cost, max_credits) and asked,
        caller=call,
    )
    return await follower.follow(started, wait_seconds)


async def workflow_status(
    ctx: Context[Any, Any],
    workflow_id: Annotated[
        str,
        Field(max_length=LONGEST_ID, description="Which run; without it, the newest one from here."),
    ] = "",
    wait_seconds: WaitArgument = 20,
) -> WorkflowReport:
    """Answer with the state of a run."""
    follower = RunFollower(current_call(ctx))
    wanted = workflow_id.strip()
    return await follower.one(wanted, wait_seconds) if wanted else await follower.newest(wait_seconds)
