"""Prices of the paid calls, and the quotes that they need: the same rules for an estimate and for its spending."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from cleanlist_mcp.sandbox.call import Call
from cleanlist_mcp.sandbox.cohorts import Cohort
from cleanlist_mcp.sandbox.problems import Problem, invalid
from cleanlist_mcp.sandbox.quotes import PRICES, EnrichmentType, Quote, Subject

SCOPES: dict[str, EnrichmentType] = {
    "partial": "partial",
    "phone-only": "phone_only",
    "full": "full",
}
COMPANY_PRICE = 1
_PERSON_DATA = frozenset({"Email", "Phone", "LinkedIn"})
_COMPANY_DATA = frozenset({"Industry", "Employees", "Revenue", "Funding", "TechStack", "Domain"})
# The vendor says "about one credit per ten companies".
_COMPANIES_PER_CREDIT = 10


@dataclass(frozen=True)
class CohortOrder:
    """Rows of a cohort that are to be enriched: which, for what, and at what price in credits at most."""

    cohort: Cohort
    entity_ids: Sequence[str]
    scope: EnrichmentType
    subject: Subject
    cost: int


def cohort_order(
    call: Call, task_id: str, data_points: Sequence[str], entity_ids: Sequence[str] | None
) -> CohortOrder:
    """Return what these rows and data points come to. Raises 404 for the handle, 400 for the rest."""
    cohort = call.cohort(task_id)
    chosen = cohort.all_or_part(entity_ids)
    digest = _digest(task_id, data_points, entity_ids)
    if cohort.kind == "companies":
        _check_data_points(data_points, _COMPANY_DATA)
        subject = Subject(call.organization_id, "add_company_enrichments", None, "company", digest)
        return CohortOrder(cohort, chosen, "partial", subject, math.ceil(len(chosen) / _COMPANIES_PER_CREDIT))
    _check_data_points(data_points, _PERSON_DATA)
    scope = _scope_of(data_points)
    subject = Subject(call.organization_id, "add_person_enrichments", None, scope, digest)
    return CohortOrder(cohort, chosen, scope, subject, PRICES[scope] * len(chosen))


def import_quote(call: Call, quote_id: str | None, scope: EnrichmentType, rows: int) -> Quote | None:
    """The quote of a dispatching CSV import, or the refusal; under /api/v2 it may spend without one."""
    if call.version == "v2" and not quote_id:
        return None
    subject = Subject(call.organization_id, "bulk_import_csv", None, scope)
    return required_quote(call, quote_id, subject, PRICES[scope] * rows)


def quote_for(call: Call, quote_id: str, subject: Subject, cost: int) -> Quote:
    """Return the quote if it may pay `cost` credits for `subject` now, or raise its refusal."""
    return call.sandbox.quotes.verify(quote_id, subject, cost, call.now)


def required_quote(call: Call, quote_id: str | None, subject: Subject, cost: int) -> Quote:
    """Return the quote of a call that may not go without one. Raises 400 `quote_required` too."""
    if not quote_id:
        raise Problem(
            400,
            "quote_required",
            "Bulk spending needs a quote.",
            fix="Call POST /credits/estimate and pass its quote_id.",
            estimated_cost_credits=cost,
        )
    return quote_for(call, quote_id, subject, cost)


def _check_data_points(data_points: Sequence[str], known: frozenset[str]) -> None:
    if not data_points or not known.issuperset(data_points):
        raise invalid(f"data_points must be of {', '.join(sorted(known))}.", field="data_points")


def _scope_of(data_points: Sequence[str]) -> EnrichmentType:
    if "Phone" in data_points:
        return "full" if "Email" in data_points else "phone_only"
    return "partial"


def _digest(task_id: str, data_points: Sequence[str], entity_ids: Sequence[str] | None) -> str:
    """Return what a quote for a cohort is bound to, the same in whichever order it was given."""
    ids = None if entity_ids is None else sorted(set(entity_ids))
    shape = json.dumps([task_id, sorted(set(data_points)), ids])
    return hashlib.sha256(shape.encode()).hexdigest()[:16]
