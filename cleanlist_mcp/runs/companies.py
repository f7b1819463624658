"""Single companies, looked up at most once: claimed like a run, answered at once, kept for a day."""

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cleanlist_mcp.api.prospects import Company, CompanyAnswer, CompanyRequest
from cleanlist_mcp.errors import CleanlistError, JournalUnusable, NotFound
from cleanlist_mcp.journal.companies import CompanyWork
from cleanlist_mcp.journal.journal import Journal
from cleanlist_mcp.measures import CREDITS
from cleanlist_mcp.money.decisions import Busy, Replay, Resend, Start, Unknown, Wait
from cleanlist_mcp.money.runs import Run
from cleanlist_mcp.people.company_marks import company_marks
from cleanlist_mcp.people.marks import CompanyMarks
from cleanlist_mcp.people.normal_forms import normal_domain
from cleanlist_mcp.runs.sending import SPEND_PATIENCE, is_certain
from cleanlist_mcp.runs.spending import Caller, Started
from cleanlist_mcp.runs.starting import Workflows
from cleanlist_mcp.text import has_address

if TYPE_CHECKING:
    from cleanlist_mcp.api.client import CleanlistClient


@dataclass(frozen=True)
class LookedUp:
    """A company as this call or (`replayed`) an earlier one found it."""

    company: Company
    run: Run
    replayed: bool


class CompanyRuns:
    """Looks companies up; requests live in the tasks of `workflows`, and outlive the calls that began them."""

    def __init__(self, client: "CleanlistClient", journal: Journal, workflows: Workflows) -> None:
        self._client = client
        self._journal = journal
        self._workflows = workflows

    async def look_up(self, request: CompanyRequest, work: CompanyWork, caller: Caller) -> LookedUp:
        """Return the facts about a company; paid, unless they were found in the last day.

        Raises:
            HourlyUnquotedLimit, DailyLimit: if a limit would be passed.
            OutcomeUnknown: if this or an earlier request may have been charged and its answer is lost.
            JournalUnusable: if what was found earlier cannot be read any more.
            ApiError: if the API refused, or was never reached.
        """
        answers: list[Company] = []

        async def send(decision: Start | Resend) -> Started:
            run, company = await self._sent(decision.run, request)
            answers.append(company)
            return Started(run, replayed=False)

        claim = partial(self._journal.companies.claim, work)
        while True:
            outcome = await self._workflows.spends.claim_and_send(claim, send, caller)
            caller.may_charge()
            match outcome:
                case Started():
                    return LookedUp(answers[0], outcome.run, replayed=False)
                case Replay():
                    return await self._remembered(outcome.run)
                case Wait():
                    joined = await self._workflows.joined(outcome.run, caller)
                    if joined is not None and joined.state == "finished":
                        return await self._remembered(joined)  # whatever `again` is: it is of the same moment
                case Unknown() | Busy():
                    raise self._workflows.unknown(outcome.run)

    async def _sent(self, run: Run, request: CompanyRequest) -> tuple[Run, Company]:
        """Send the request once, and write down what came of it.

        Raises:
            OutcomeUnknown: if its answer is lost.
            CleanlistError: if it was refused, or never left.
        """
        try:
            answer = await self._client.company(
                request, patience=SPEND_PATIENCE, stop=self._workflows.spends.stop
            )
        except CleanlistError as exc:
            if not is_certain(exc):
                await self._journal.outcomes.uncertain(run)
                raise self._workflows.unknown(await self._journal.run(run.run_id) or run) from exc
            if not (isinstance(exc, NotFound) and exc.answered.enveloped):
                await self._journal.outcomes.refused(run)
                raise
            answer = CompanyAnswer(company=Company(), credits_charged=0)
        company = answer.company
        run = await self._journal.companies.answered(
            run, _marks_of(company), _kept(company).model_dump_json(), answer.credits_charged
        )
        charged = answer.credits_charged or 0
        CREDITS.add(run.reserved, state="reserved", kind=run.kind)
        CREDITS.add(charged, state="charged", kind=run.kind)
        CREDITS.add(max(run.reserved - charged, 0), state="refunded", kind=run.kind)
        return run, company

    async def _remembered(self, run: Run) -> LookedUp:
        text = await self._journal.companies.found(run)
        if text is None:
            raise JournalUnusable(
                "This company was looked up in the last 24 hours, and what was found then cannot be read any more. "
                "Nothing was sent.",
                "Ask the user; the same call with again=true looks the company up again, for 1 credit.",
                retryable=False,
            )
        return LookedUp(Company.model_validate_json(text), run, replayed=True)


_COMPANY_PAGE = r"https?://(?:[\w-]+\.)*linkedin\.com/(?:company|school|showcase)/[\w.%-]+/?"


def _kept(company: Company) -> Company:
    """Return what is kept of a company: nothing that could be somebody's address or profile."""
    is_page = re.fullmatch(_COMPANY_PAGE, company.linkedin_url, re.IGNORECASE) is not None
    changes: dict[str, object] = {
        "domain": normal_domain(company.domain) or "",
        "linkedin_url": company.linkedin_url if is_page else "",
    }
    for name, value in company:
        if name not in changes and isinstance(value, str) and has_address(value):
            changes[name] = ""
        elif isinstance(value, list):
            changes[name] = [word for word in value if not has_address(word)]
    return company.model_copy(update=changes)


def _marks_of(company: Company) -> CompanyMarks:
    return company_marks(
        company_id=company.company_id, domain=company.domain, ticker=company.ticker, name=company.name
    )
