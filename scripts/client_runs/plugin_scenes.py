"""The calls of a scripted model for each command of the plugin and the extension: those that its prompt names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from client_runs.scenes import object_in
from client_runs.scripted_model import Call, Read, Script

LIST = "VP Sales, software"
BUDGET = 60
Answers = Mapping[str, Mapping[str, Any]]
"""The answers so far, by tool."""


@dataclass(frozen=True)
class Step:
    """A call of a tool, whose arguments follow from the answers before it."""

    tool: str
    arguments: Callable[[Answers], Mapping[str, Any]]


def _search(_: Answers) -> Mapping[str, Any]:
    return {
        "management_levels": ["VP"],
        "departments": ["Sales"],
        "company_industries": ["Software Development"],
    }


def _spend(answers: Answers) -> Mapping[str, Any]:
    """Return the quoted list, scope and quote: what nobody quoted cannot be named here."""
    quote = answers["estimate"]
    named = {name: quote[name] for name in ("list_id", "scope", "quote_id")}
    return named | {"max_credits": BUDGET, "wait_seconds": 1}


def _add(answers: Answers) -> Mapping[str, Any]:
    return {"list_id": answers["create_list"]["list_id"], "search_id": answers["search_people"]["search_id"]}


def _follow(answers: Answers) -> Mapping[str, Any]:
    return {"workflow_id": answers["enrich_list"]["workflow_id"], "wait_seconds": 45}


QUOTE = Step("estimate", lambda _: {"list_id": LIST, "scope": "partial", "max_credits": BUDGET})
PLAYS: dict[str, tuple[Step, ...]] = {
    "prospect": (
        Step("search_people", _search),
        Step("create_list", lambda _: {"name": LIST}),
        Step("add_leads", _add),
    ),
    "quote": (QUOTE,),
    "enrich": (
        QUOTE,
        Step("enrich_list", _spend),
        Step("workflow_status", _follow),
        Step("get_leads", lambda _: {"list_id": LIST, "only": "with_email"}),
    ),
    "costs": (Step("credits_balance", lambda _: {"days": 1, "by": "list"}),),
    "export": (Step("export_list", lambda _: {"list_id": LIST}),),
}
"""The calls of each command, in order."""


def script(name: str) -> Script:
    """Return the script of a command; it closes with the last answer's summary, or with the first error."""

    def steps(read: Sequence[Read]) -> Call | str:
        answers = answered(name, read)
        if len(answers) < len(read):
            return read[len(answers)].text
        if len(read) < len(PLAYS[name]):
            following = PLAYS[name][len(read)]
            return Call(following.tool, following.arguments(answers))
        return str(answers[PLAYS[name][-1].tool]["summary"])

    return steps


def answered(name: str, read: Sequence[Read]) -> dict[str, dict[str, Any]]:
    """Return the answers of a command's calls by tool, up to the first that is an error or no answer."""
    answers: dict[str, dict[str, Any]] = {}
    for step, one in zip(PLAYS[name], read, strict=False):
        answer = object_in(one.text)
        if answer is None or "summary" not in answer:
            break
        answers[step.tool] = answer
    return answers
