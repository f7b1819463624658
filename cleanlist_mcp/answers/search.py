"""Sentences about searches, and about their rows that were put into a list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cleanlist_mcp.answers.list_shapes import AddLeadsAnswer
from cleanlist_mcp.answers.offers import Offers
from cleanlist_mcp.answers.search_shapes import CompanyRow, PersonRow
from cleanlist_mcp.api.prospects import FoundCompany, FoundPerson
from cleanlist_mcp.text import clean, quoted

FEW = 5
"""Hits below which the words of the filters are named: one that the API does not know matches nobody."""

CELL = 120
"""Longest text in a row, in characters."""

NAMED_WORDS = 8
"""Words of filters that a summary names."""

_BROADER: Mapping[str, str] = {
    "titles": "management_levels and departments in place of titles",
    "seniorities": "management_levels in place of seniorities",
    "cities": "states or countries in place of cities",
    "states": "countries in place of states",
    "locations": "countries in place of locations",
    "company_names": "company_domains in place of company_names",
    "company_sizes": "more company_sizes",
    "company_industries": "broader company_industries",
    "industries": "broader industries",
}
"""By argument: a wish that finds more people."""

_BROADER_COMPANIES: Mapping[str, str] = {**_BROADER, "locations": "larger places in locations"}
"""The same for companies, whose search has no argument for countries."""


@dataclass(frozen=True)
class Shown:
    """The part of a search that one answer shows.

    `count` rows here, `passed` over all answers so far, of `total` (None: not said). `cut` rows of the API's page did
    not fit, `unusable` have no id. `search_id` is None if the search could not be kept, `cursor` at the end.
    """

    count: int
    passed: int
    total: int | None
    cut: int
    unusable: int
    search_id: str | None
    cursor: str | None
    truncated: bool


def person_row(found: FoundPerson, *, excluded: bool = False) -> PersonRow:
    """Return a person of a search as a row."""
    return PersonRow(
        entity_id=found.entity_id,
        name=clean(found.name, CELL) or None,
        title=clean(found.title, CELL) or None,
        company=clean(found.company, CELL) or None,
        domain=clean(found.domain, CELL) or None,
        location=clean(found.location, CELL) or None,
        industry=clean(found.industry, CELL) or None,
        size=clean(found.size, CELL) or None,
        seniority=clean(found.seniority, CELL) or None,
        excluded=excluded or None,
    )


def company_row(found: FoundCompany, *, excluded: bool = False) -> CompanyRow:
    """Return a company of a search as a row."""
    return CompanyRow(
        entity_id=found.entity_id,
        name=clean(found.name, CELL) or None,
        domain=clean(found.domain, CELL) or None,
        industry=clean(found.industry, CELL) or None,
        size=clean(found.size, CELL) or None,
        location=clean(found.location, CELL) or None,
        excluded=excluded or None,
    )


def search_summary(noun: str, shown: Shown, asked: Mapping[str, Sequence[str]]) -> str:
    """Return how many match and are shown; `noun` is "people" or "companies", `asked` the filters."""
    parts = [_count(noun, shown)]
    if shown.cut:
        parts.append(f"{shown.cut} more of this page did not fit into the answer; the cursor brings them.")
    if shown.unusable:
        parts.append(f"Left out, because they have no id: {shown.unusable}.")
    if shown.truncated:
        parts.append("Cleanlist cannot show all of them; narrower filters reach the rest.")
    if _are_few(shown):
        parts.append(_words(asked, _BROADER if noun == "people" else _BROADER_COMPANIES))
    if shown.count and shown.search_id is None:
        parts.append("The search could not be saved, so its rows cannot be added to a list by its id.")
    return " ".join(parts)


def _count(noun: str, shown: Shown) -> str:
    if not shown.count and not shown.passed:
        return f"No {noun} match." if not shown.total else f"{_match(noun, shown.total)}; none can be shown."
    matching = _match(noun, shown.total) if shown.total else f"{noun.capitalize()} were found"
    if not shown.count:
        return f"{matching}; all {shown.passed} that can be shown were shown before."
    first = shown.passed - shown.count + 1
    return f"{matching}; shown: {first} to {shown.passed}."


def _match(noun: str, total: int) -> str:
    one = {"people": "person", "companies": "company"}
    return f"1 {one[noun]} matches" if total == 1 else f"{total} {noun} match"


def _are_few(shown: Shown) -> bool:
    return (shown.passed if shown.total is None else shown.total) < FEW and not shown.cursor


def _words(asked: Mapping[str, Sequence[str]], wishes: Mapping[str, str]) -> str:
    """Return the sentences that name the words of the filters, and broader `wishes` by argument."""
    named = [f"{argument} {quoted(value)}" for argument, values in asked.items() for value in values]
    more = f" and {len(named) - NAMED_WORDS} more" if len(named) > NAMED_WORDS else ""
    hints = [wishes[argument] for argument in asked if argument in wishes]
    broader = "; ".join([*(["fewer filters"] if len(asked) > 1 else []), *hints[:2]])
    return (
        f"Searched for {', '.join(named[:NAMED_WORDS])}{more}. All filters must match, and a word that Cleanlist does "
        f"not know matches nobody." + (f" Broader: {broader}." if broader else "")
    )


def people_step(offers: Offers, shown: Shown) -> str | None:
    """Return what comes after a page of people."""
    if not shown.count:
        return "Call search_people with fewer or broader filters." if not shown.passed else None
    more = 'call search_people(cursor="…") with this cursor for more' if shown.cursor else ""
    if shown.search_id is None or not (offers.lists and offers.spending):
        return f"{more[0].upper()}{more[1:]}." if more else None
    add = (
        f'call create_list(name="…"), then add_leads(list_id="…", search_id="{shown.search_id}") for all rows shown '
        "so far, or with entity_ids for some of them"
    )
    wish = "If the user wants them in a list, "
    return f"{wish}{add}; {more}." if more else f"{wish}{add}."


def companies_step(offers: Offers, shown: Shown) -> str | None:
    """Return what comes after a page of companies; they are no leads, their people are."""
    if not shown.count:
        return "Call search_companies with fewer or broader filters." if not shown.passed else None
    more = '; call search_companies(cursor="…") with this cursor for more' if shown.cursor else ""
    return f"For their people call search_people(company_domains=[…]){more}."


@dataclass(frozen=True)
class Added:
    """The fate of the rows or leads that were to be put into a list.

    `wanted` were chosen, of `shown` (None: not rows of a search). `unknown` were sent and not confirmed, `not_sent` not
    sent after a `problem`.
    """

    wanted: int
    added: int
    skipped: int
    unknown: int = 0
    not_sent: int = 0
    shown: int | None = None
    total: int | None = None
    problem: str = ""


def added_to_list(list_id: str, name: str, done: Added) -> AddLeadsAnswer:
    """Return the answer about rows of a search, or leads of another list, that were put into a list."""
    return AddLeadsAnswer(
        summary=_added_summary(name, done),
        next_step=_added_step(list_id, done),
        list_id=list_id,
        list_name=name or None,
        added=done.added,
        skipped_duplicates=done.skipped,
        unknown=done.unknown or None,
        not_sent=done.not_sent or None,
    )


def _added_summary(name: str, done: Added) -> str:
    into = f" to {quoted(name)}" if name else ""
    were = "was" if done.skipped == 1 else "were"
    parts = [f"{done.added} added{into}, {done.skipped} {were} in it already."]
    if done.total is not None and done.total > done.wanted:
        parts.append(f"These are {done.wanted} of {done.total}: the rows that were shown so far.")
    if done.unknown:
        parts.append(f"{done.unknown} may be in it or not: the answer was lost twice.")
    if done.not_sent:
        parts.append(f"Not sent: {done.not_sent}. {done.problem}")
    parts.append("Nothing is charged.")
    return " ".join(parts)


def _added_step(list_id: str, done: Added) -> str:
    if done.unknown or done.not_sent:
        return "Make the same call again: it skips people who are in the list already."
    return f'If the user wants their e-mail addresses, call estimate(list_id="{list_id}") for the price.'
