"""The rule for which company is meant, and when two are the same, on marks that are compared for equality alone. Pure.

The marks may be replaced by digests, as those of people may.
"""

from collections.abc import Iterable, Sequence

from cleanlist_mcp.people.marks import COMPANY_KINDS, CompanyMarks, Tokens
from cleanlist_mcp.people.normal_forms import ascii_domain, normal_domain, normal_name
from cleanlist_mcp.people.spellings import company_spellings


def company_marks(
    *, company_id: str = "", domain: str = "", ticker: str = "", name: str = ""
) -> CompanyMarks:
    """Return the marks of a company from what is known about it; texts in any spelling, "" for what is not known."""
    plain_domain, plain_name = normal_domain(domain), normal_name(name)
    return CompanyMarks(
        ids=_tokens("id", [company_id]),
        domains=_tokens("domain", [ascii_domain(plain_domain)] if plain_domain else []),
        tickers=_tokens("ticker", [ticker.strip().upper()]),
        names=_tokens("name", company_spellings(plain_name) if plain_name else []),
    )


def united(one: CompanyMarks, other: CompanyMarks) -> CompanyMarks:
    """Return the marks of both together, for two that are one company."""
    return CompanyMarks(*(getattr(one, kind) | getattr(other, kind) for kind in COMPANY_KINDS))


def is_same(one: CompanyMarks, other: CompanyMarks) -> bool:
    """Return whether two are one company: the strongest mark that both have decides."""
    for kind in COMPANY_KINDS:
        mine, theirs = getattr(one, kind), getattr(other, kind)
        if mine and theirs:
            return not mine.isdisjoint(theirs)
    return False


def which(asked: CompanyMarks, known: Sequence[CompanyMarks]) -> list[int]:
    """Return the places in `known` of the company that is asked for; none if it could be several of them."""
    found = [place for place, marks in enumerate(known) if is_same(asked, marks)]
    by_name = [place for place in found if asked.keys - asked.names <= asked.keys - known[place].keys]
    if found == by_name and any(_are_two(known[one], known[other]) for one in found for other in found):
        return []
    return found


def _are_two(one: CompanyMarks, other: CompanyMarks) -> bool:
    """Return whether two companies have different ids, domains or tickers; the strongest that both have decides."""
    for kind in COMPANY_KINDS[:-1]:
        mine, theirs = getattr(one, kind), getattr(other, kind)
        if mine and theirs:
            return bool(mine.isdisjoint(theirs))
    return False


def _tokens(kind: str, texts: Iterable[str]) -> Tokens:
    return frozenset(f"{kind} {text}" for text in texts if text)
