"""Cohort handles: a page of leads, people or companies under an id that expires."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cleanlist_mcp.sandbox.problems import Problem, invalid

CohortKind = Literal["leads", "people", "companies"]
COHORT_SECONDS = 3_600.0
# A sandbox that serves for weeks forgets its oldest handles.
_KEPT = 1_000


@dataclass(frozen=True)
class Cohort:
    """A page as it was shown: of a list (`leads`, with `list_id`) or of a search. `expires_at`: epoch seconds."""

    task_id: str
    kind: CohortKind
    organization_id: str
    entity_ids: tuple[str, ...]
    expires_at: float
    list_id: str | None = None

    def all_or_some(self, entity_ids: Sequence[str] | None) -> list[str]:
        """Return the ids that are wanted, in the order of the page; without a choice, all of them.

        Raises 400 for ids that do not belong to it.
        """
        if entity_ids is None:
            return list(self.entity_ids)
        chosen = set(entity_ids)
        if not chosen.issubset(self.entity_ids):
            raise invalid("The ids must be among the task's.", field="entity_ids")
        return [one for one in self.entity_ids if one in chosen]

    def all_or_part(self, entity_ids: Sequence[str] | None) -> list[str]:
        """Return the same for a paid call, which takes all, or a strict part of at least one. Raises 400."""
        chosen = self.all_or_some(entity_ids)
        if not chosen or (entity_ids is not None and len(chosen) == len(self.entity_ids)):
            raise invalid("The ids must be a strict subset of the task's.", field="entity_ids")
        return chosen


class Cohorts:
    """The handles of all organizations. `seconds` is how long a new one is good for."""

    def __init__(self) -> None:
        """No handle is known yet."""
        self.seconds = COHORT_SECONDS
        self._cohorts: dict[str, Cohort] = {}

    def open(
        self,
        kind: CohortKind,
        organization_id: str,
        entity_ids: Sequence[str],
        *,
        now: float,
        list_id: str | None = None,
    ) -> str | None:
        """Return a new handle for a page, or None for an empty page."""
        if not entity_ids:
            return None
        if len(self._cohorts) >= _KEPT:
            del self._cohorts[next(iter(self._cohorts))]
        task_id = f"cl-task_{secrets.token_hex(12)}"
        expires_at = now + self.seconds
        self._cohorts[task_id] = Cohort(
            task_id, kind, organization_id, tuple(entity_ids), expires_at, list_id
        )
        return task_id

    def find(self, organization_id: str, task_id: str, now: float) -> Cohort:
        """Return the cohort behind a handle. Raises 404 if it expired, never was, or is somebody else's."""
        cohort = self._cohorts.get(task_id)
        if cohort is None or cohort.organization_id != organization_id or now > cohort.expires_at:
            raise Problem(
                404,
                "not_found",
                f"Task {task_id} was not found or has expired.",
                fix="Run the search or read the list again.",
                details={"task_id": task_id},
            )
        return cohort

    def expire(self) -> None:
        """End every handle that is out, as time would."""
        self._cohorts.clear()
