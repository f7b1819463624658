"""Ways in which the vendor may be less kind than its documents sound, each off until it is switched on."""

from dataclasses import dataclass, field
from typing import Literal

Version = Literal["public", "v2"]
VERSIONS: frozenset[Version] = frozenset({"public", "v2"})


@dataclass
class Unkindness:
    """The switches of a sandbox; each may be turned at any time.

    `hides_imports`: imported people stay out of `GET …/leads` and of exports until enrichment found them.
    `counts_hidden`: the `lead_count` of a list counts those who are hidden.
    `never_found`: names, e-mail, LinkedIn addresses or domains (in any letter case) for which nothing is ever found.
    `late_seconds`: every fourth answer comes so much later.
    `late_runs`: every third run takes so many seconds more.
    `search_under`: the prefixes that have a search; under another one its routes do not exist.
    `search_reach`: how many hits of a search can be seen; the rest is only mentioned in `truncation_warning`.
    `other_row_names`: searches name the members of their rows otherwise (`entity_id`, `job_title`, `company` …).
    `copies_cohorts`: enriching a page of a list adds its people to the list once more, in place of filling its rows.
    `missing_companies_are_404`: a company that is not known answers 404, in place of an empty one.
    """

    hides_imports: bool = False
    counts_hidden: bool = False
    never_found: set[str] = field(default_factory=set)
    late_seconds: float = 0.0
    late_runs: float = 0.0
    search_under: frozenset[Version] = VERSIONS
    search_reach: int | None = None
    other_row_names: bool = False
    copies_cohorts: bool = False
    missing_companies_are_404: bool = False

    def lateness(self, answers: int) -> float:
        """Return how many seconds late the answer to request number `answers` is."""
        return self.late_seconds if answers % 4 == 0 else 0.0

    def extra_time(self, runs: int) -> float:
        """Return how many seconds more run number `runs` takes."""
        return self.late_runs if runs % 3 == 0 else 0.0

    def is_never_found(self, texts: list[str]) -> bool:
        """Return True if one of the `texts` about a person is among those who are never found."""
        denied = {text.casefold() for text in self.never_found}
        return any(text.casefold() in denied for text in texts)
