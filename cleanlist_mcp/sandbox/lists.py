"""Lead lists and the leads in them: finding, naming, paging, landing of what arrives later."""

import base64
import binascii
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from cleanlist_mcp.sandbox.accounts import ApiKey, User
from cleanlist_mcp.sandbox.directory import Person
from cleanlist_mcp.sandbox.people import Identity, identity_of, profile
from cleanlist_mcp.sandbox.problems import Problem, invalid, not_found
from cleanlist_mcp.sandbox.unkindness import Unkindness

T = TypeVar("T")


@dataclass
class Lead:
    """A person in the workspace: as first `asked` for, and what is `known` by now.

    Enrichment goes by what was asked, so that it finds the same again later. `raw` means that none has found
    anything yet, `imported` that the lead came in a file.
    """

    lead_id: str
    asked: Identity
    known: Identity
    title: str | None = None
    location: str | None = None
    provider: str | None = None
    raw: bool = True
    imported: bool = False

    def take(self, found: Identity, email: str | None, phone: str | None) -> None:
        """Write down what was paid for and who it is; what was known before stays."""
        self.known = replace(
            found,
            first_name=self.known.first_name or found.first_name,
            last_name=self.known.last_name or found.last_name,
            email=email or self.known.email,
            phone=phone or self.known.phone,
            linkedin_url=self.known.linkedin_url or found.linkedin_url,
            company=self.known.company or found.company,
            domain=self.known.domain or found.domain,
        )
        self.title = self.title or found.title
        self.location = self.location or found.location
        self.provider = "sandbox"
        self.raw = False

    def row(self) -> dict[str, str | None]:
        """The lead as the API shows it in a list."""
        return {
            "lead_id": self.lead_id,
            "first_name": self.known.first_name,
            "last_name": self.known.last_name,
            "full_name": self.known.full_name,
            "email": self.known.email,
            "phone": self.known.phone,
            "title": self.title,
            "company": self.known.company,
            "location": self.location,
            "linkedin_url": self.known.linkedin_url,
            "provider": self.provider,
        }


@dataclass
class LeadList:
    """A named list of leads. `arriving` holds imports that are still running: (when, leads)."""

    list_id: str
    name: str
    owner: User
    organization_id: str
    created_at: float
    description: str | None = None
    folder_id: str | None = None
    visibility: str = "private"
    protected: bool = False
    leads: dict[str, Lead] = field(default_factory=dict)
    arriving: list[tuple[float, list[Lead]]] = field(default_factory=list)

    def take_in(self, leads: Iterable[Lead]) -> int:
        """Add leads and return how many of them were not here yet."""
        before = len(self.leads)
        for lead in leads:
            self.leads.setdefault(lead.lead_id, lead)
        return len(self.leads) - before

    def settle(self, now: float) -> None:
        """Let imports land whose time has come."""
        for when, leads in self.arriving:
            if when <= now:
                self.take_in(leads)
        self.arriving = [arrival for arrival in self.arriving if arrival[0] > now]

    def match(self, identity: Identity) -> Lead | None:
        """The lead that is this person already, by address, profile, or name and company."""
        handles = _handles(identity)
        return next((lead for lead in self.leads.values() if handles & _handles(lead.known)), None)


class Lists:
    """All lists and leads of all organizations."""

    def __init__(
        self,
        *,
        shows_raw_people: bool = True,
        list_cap: int | None = None,
        unkind: Unkindness | None = None,
    ) -> None:
        """`shows_raw_people`: leads count and show before they were enriched. `list_cap`: lists of one user."""
        self.shows_raw_people = shows_raw_people
        self.list_cap = list_cap
        self.unkind = Unkindness() if unkind is None else unkind
        self._lists: dict[str, LeadList] = {}
        self._leads: dict[str, tuple[str, Lead]] = {}
        self._searched: dict[tuple[str, int], Lead] = {}
        self._profiles: dict[str, Identity] = {}

    def settle(self, now: float) -> None:
        """Let imports land whose time has come, in every list."""
        for lead_list in self._lists.values():
            if lead_list.arriving:
                lead_list.settle(now)

    def find_or_create(self, key: ApiKey, name: str, now: float, **details: Any) -> tuple[LeadList, bool]:
        """The caller's own list of that name in any letter case, and whether it was there already.

        Raises 403 `list_cap_reached`. `details` are further fields of a new LeadList.
        """
        folded = name.casefold()
        for lead_list in self._lists.values():
            if self._owns(key, lead_list) and lead_list.name.casefold() == folded:
                return lead_list, True
        owned = sum(1 for lead_list in self._lists.values() if self._owns(key, lead_list))
        if self.list_cap is not None and owned >= self.list_cap:
            raise Problem(403, "list_cap_reached", f"This plan allows {self.list_cap} lists.")
        return self.add(key, name, now, **details), False

    def add(self, key: ApiKey, name: str, now: float, **details: Any) -> LeadList:
        """Return a new list, whatever others are called. `details` are further fields of it, its id among them."""
        organization_id = key.organization.organization_id
        list_id = details.pop("list_id", None) or str(uuid.uuid4())
        lead_list = LeadList(list_id, name, key.user, organization_id, now, **details)
        self._lists[lead_list.list_id] = lead_list
        return lead_list

    def visible(self, key: ApiKey) -> list[LeadList]:
        """The lists that the caller can read, oldest first."""
        return [lead_list for lead_list in self._lists.values() if self._reads(key, lead_list)]

    def get(self, key: ApiKey, list_id: str) -> LeadList:
        """A list that the caller can read, or 404."""
        lead_list = self._lists.get(list_id)
        if lead_list is None or not self._reads(key, lead_list):
            raise not_found("Lead list")
        return lead_list

    def get_own(self, key: ApiKey, list_id: str) -> LeadList:
        """A list that the caller may change as its owner: 404, or 403 `list_protected`."""
        lead_list = self.get(key, list_id)
        if not self._owns(key, lead_list):
            raise not_found("Lead list")
        if lead_list.protected:
            raise Problem(403, "list_protected", "This list is protected against changes.")
        return lead_list

    def delete(self, lead_list: LeadList) -> None:
        """Forget the list; its leads stay in the workspace."""
        del self._lists[lead_list.list_id]

    def by_id(self, list_id: str) -> LeadList | None:
        """A list without any question of access, for runs that end after it was deleted."""
        return self._lists.get(list_id)

    def new_leads(
        self,
        organization_id: str,
        people: Iterable[Identity],
        *,
        imported: bool = False,
        ids: Iterable[str] | None = None,
    ) -> list[Lead]:
        """Return raw leads in the workspace, not in any list yet, under `ids` or ids of chance."""
        leads = []
        fresh = iter(lambda: str(uuid.uuid4()), None)
        for lead_id, person in zip(fresh if ids is None else ids, people, strict=False):
            lead = Lead(
                lead_id, person, person, title=person.title, location=person.location, imported=imported
            )
            self._leads[lead_id] = (organization_id, lead)
            leads.append(lead)
        return leads

    def leads_of(self, organization_id: str, people: Iterable[Person]) -> tuple[list[Lead], int]:
        """Return the leads that people of a search are in this workspace, and how many of them are new."""
        leads, created = [], 0
        for person in people:
            lead = self._searched.get((organization_id, person.person_id))
            if lead is None:
                (lead,) = self.new_leads(organization_id, [identity_of(person)])
                self._searched[organization_id, person.person_id] = lead
                created += 1
            leads.append(lead)
        return leads, created

    def remember_profile(self, lead: Lead) -> None:
        """Keep who is behind a LinkedIn address that was given out."""
        self._profiles.setdefault(profile(lead.known.linkedin_url), lead.asked)

    def first_asked(self, person: Identity) -> Identity:
        """Return the person as they were asked for when their LinkedIn address was found, or as they are."""
        return self._profiles.get(profile(person.linkedin_url), person) if person.linkedin_url else person

    def lead(self, key: ApiKey, lead_id: str) -> Lead | None:
        """A lead of the caller's workspace."""
        organization_id, lead = self._leads.get(lead_id, (None, None))
        return lead if organization_id == key.organization.organization_id else None

    def shown(self, lead_list: LeadList) -> Sequence[Lead]:
        """Return the leads of a list that the API admits to."""
        return [lead for lead in lead_list.leads.values() if self._is_shown(lead)]

    def summary(self, lead_list: LeadList) -> dict[str, Any]:
        """A list as it stands in a page of lists."""
        return {
            "list_id": lead_list.list_id,
            "name": lead_list.name,
            "lead_count": self._count(lead_list),
            "folder_id": lead_list.folder_id,
            "created_at": iso(lead_list.created_at),
            "owner_name": lead_list.owner.name,
            "visibility": lead_list.visibility,
        }

    def detail(self, lead_list: LeadList, *, reused: bool = False) -> dict[str, Any]:
        """A list as it stands alone."""
        return {
            "list_id": lead_list.list_id,
            "name": lead_list.name,
            "description": lead_list.description,
            "lead_count": self._count(lead_list),
            "enriched_count": sum(1 for lead in lead_list.leads.values() if not lead.raw),
            "folder_id": lead_list.folder_id,
            "created_at": iso(lead_list.created_at),
            "reused": reused,
        }

    def _is_shown(self, lead: Lead) -> bool:
        if not lead.raw:
            return True
        return self.shows_raw_people and not (lead.imported and self.unkind.hides_imports)

    def _count(self, lead_list: LeadList) -> int:
        return len(lead_list.leads) if self.unkind.counts_hidden else len(self.shown(lead_list))

    def _owns(self, key: ApiKey, lead_list: LeadList) -> bool:
        same = lead_list.organization_id == key.organization.organization_id
        return same and lead_list.owner == key.user

    def _reads(self, key: ApiKey, lead_list: LeadList) -> bool:
        same = lead_list.organization_id == key.organization.organization_id
        return same and (lead_list.visibility == "organization" or lead_list.owner == key.user)


def page(items: Sequence[T], limit: int, cursor: str | None, topic: str) -> tuple[list[T], str | None]:
    """Up to `limit` items from where `cursor` points, and the next cursor or None at the end.

    A cursor is opaque and belongs to one `topic` (a list, or the lists); any other text is a 400.
    """
    start = _read_cursor(cursor, topic) if cursor else 0
    found = list(islice(items, start, start + limit))
    end = start + len(found)
    return found, (_write_cursor(end, topic) if end < len(items) else None)


def iso(moment: float) -> str:
    """Epoch seconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _write_cursor(offset: int, topic: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([offset, topic]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str, topic: str) -> int:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        offset, about = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, TypeError, binascii.Error) as error:
        raise invalid("The cursor is malformed.", field="cursor") from error
    if about != topic or not isinstance(offset, int) or offset < 0:
        raise invalid("The cursor belongs to another request.", field="cursor")
    return offset


def _handles(person: Identity) -> set[str]:
    place = person.domain or person.company
    handles = {person.email, profile(person.linkedin_url), person.person_id}
    if person.full_name and place:
        handles.add(f"{person.full_name}@{place}")
    return {handle.casefold() for handle in handles if handle}
