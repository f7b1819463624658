"""What the API takes and gives: strict in what is sent, tolerant in what is read.

Field names and meanings follow the vendor's published schema of `/api/v2`. Unknown fields are ignored, null
stands for absent, and every text is cleaned on the way in, so that nothing invisible goes further. An optional
field of another type stands for absent too: a finished run must not be lost over its vendor's note.
"""

import re
from math import floor
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from cleanlist_mcp.links import is_written_plainly
from cleanlist_mcp.money.prices import Scope
from cleanlist_mcp.secrecy import holds_secret
from cleanlist_mcp.text import clean

ListScope = Literal["partial", "phone-only", "full"]
LIST_SCOPES: dict[Scope, ListScope] = {"partial": "partial", "phone_only": "phone-only", "full": "full"}
"""How list endpoints spell a scope."""

ImportField = Literal[
    "first_name",
    "last_name",
    "full_name",
    "email",
    "phone",
    "mobile_phone",
    "work_phone",
    "linkedin_url",
    "company_name",
    "company_domain",
    "job_title",
    "city",
    "state",
    "country",
]
"""What a column of an import can be (vendor's OpenAPI file of `/api/v2`, a closed list)."""

LIST_NAME = 200
"""Longest name of a list, in characters (vendor's schema)."""

LISTS_PAGE, LEADS_PAGE = 100, 500
"""The API's largest pages of lists and of a list's rows (vendor's schema)."""

TEXT_LIMIT = 500
"""Longest text kept from the API, in characters: names, titles and addresses are far shorter."""

MOST = 10**12
"""No count and no amount of credits is that large; the journal keeps whole numbers of 64 bits."""

WORD_LIMIT, WORDS = 60, 200
"""Longest name of a scope or feature that is kept, in characters, and how many of them: there are about ten."""

LONGEST_ID, LONGEST_QUOTE_ID = 128, 512
"""Characters of the longest ids: of a list, a run, a person; and of a quote, which is signed."""

_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_ID}}}")
# Nothing that ends the quotation marks in which a next step spells it.
_QUOTE_ID = re.compile(rf"[A-Za-z0-9_.~:+/=-]{{1,{LONGEST_QUOTE_ID}}}")

STOPPED_STATUSES = frozenset({"failed", "cancelled", "canceled", "terminated", "timed_out"})
TERMINAL_STATUSES = frozenset({"completed", "completed_with_errors"}) | STOPPED_STATUSES
"""Statuses that end a workflow (quickstart, developer documentation, public clients); any other word means
unfinished."""


def is_id(value: Any) -> bool:
    """Return whether `value` can be the id of a list, a run, a person or an organization."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None and not holds_secret(value)


def is_quote_id(value: Any) -> bool:
    """Return whether `value` can be the id of a quote."""
    return isinstance(value, str) and _QUOTE_ID.fullmatch(value) is not None and not holds_secret(value)


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _text(value: Any) -> str:
    text = _number_as_text(value)
    return clean(text, TEXT_LIMIT) if isinstance(text, str) else ""


def _identifier(value: Any) -> str:
    # An id is compared and sent back, so it is taken as it is or not at all.
    text = _number_as_text(value)
    return text if is_id(text) else ""


def _required_id(value: str) -> str:
    if not is_id(value):
        raise ValueError("is no id")
    return value


def _required_quote_id(value: str) -> str:
    if not is_quote_id(value):
        raise ValueError("is no quote's id")
    return value


def _no_secret(value: str) -> str:
    if holds_secret(value):
        raise ValueError("cannot be passed on")
    return value


def _link(value: str) -> str:
    if not is_written_plainly(value):
        raise ValueError("is no plain web address")
    return value


def _whole(value: Any) -> int | None:
    """A whole number of zero or more, however it is spelt; anything else stands for absent."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() and 0 <= number < MOST else None


def _count(value: Any) -> int:
    return _whole(value) or 0


def _percent(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100
    return float(value) if known else None


def _reasons(value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    counts = {clean(str(name), 60): _whole(count) for name, count in list(value.items())[:20]}
    return {name: count for name, count in counts.items() if count}


def _row_numbers(value: Any) -> list[int]:
    numbers = [_whole(item) for item in value[:50]] if isinstance(value, list) else []
    return [number for number in numbers if number is not None]


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _words(value: Any) -> list[str] | None:
    if not isinstance(value, list):
        return None
    return [clean(item, WORD_LIMIT) for item in value[:WORDS] if isinstance(item, str)]


def _records(value: Any) -> Any:
    if value is None:
        return []
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else value


def _lists(value: Any) -> Any:
    # One without an id that can be one can be neither meant nor used.
    records = _records(value)
    if not isinstance(records, list):
        return records
    return [item for item in records if is_id(_number_as_text(item.get("list_id")))]


def _moment(value: Any) -> float:
    number = _whole(value) if not isinstance(value, float) else value
    return float(number) if number is not None and 0 <= number < MOST else 0.0


def _amount(value: Any) -> int:
    """A whole number that is spelt as one: what is spent on it must not come from a text, a truth value or a
    fraction."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole:
        raise ValueError("no whole number")
    return int(value)


def _reserved(value: Any) -> int:
    try:
        amount = _amount(value)
    except ValueError:
        return 0
    return amount if 0 <= amount < MOST else 0


def _credits(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("no amount")
    return floor(value) if isinstance(value, float) and abs(value) < MOST else value


def _status(value: Any) -> str:
    return _text(value) or "unknown"


def _record(value: Any) -> Any:
    return value if isinstance(value, dict) else None


def _cursor(value: Any) -> Any:
    # Strict where there is one: a cursor that is not understood must not look like the end.
    return "" if value is None else value


Text = Annotated[str, BeforeValidator(_text)]
Identifier = Annotated[str, BeforeValidator(_identifier)]
RequiredId = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_required_id)]
QuoteId = Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_required_quote_id)]
Cursor = Annotated[
    str,
    BeforeValidator(_cursor),
    Field(max_length=4096, pattern=r"^[\x21-\x7e]*$"),
    AfterValidator(_no_secret),
]
Url = Annotated[str, AfterValidator(_link)]
Count = Annotated[int, BeforeValidator(_count)]
Amount = Annotated[int, BeforeValidator(_amount), Field(ge=0, lt=MOST)]
Reserved = Annotated[int, BeforeValidator(_reserved)]
Credits = Annotated[int, BeforeValidator(_credits), Field(gt=-MOST, lt=MOST)]
MaybeCount = Annotated[int | None, BeforeValidator(_whole)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Words = Annotated[list[str] | None, BeforeValidator(_words)]


class Sent(BaseModel):
    """A request body: exactly these fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Received(BaseModel):
    """An answer: these fields, whatever else is there."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class EstimateRequest(Sent):
    """`POST /credits/estimate` for a list; `scope` is spelt with a hyphen there."""

    tool: Literal["enrich_list"] = "enrich_list"
    list_id: str
    scope: ListScope


class PersonRequest(Sent):
    """`POST /enrichment/person`; `enrichment_type` is spelt with an underscore there."""

    email: str | None = None
    linkedin_url: str | None = None
    person_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    domain: str | None = None
    enrichment_type: Scope
    lead_list_id: str | None = None


class ListRequest(Sent):
    """`POST /enrichment/bulk`."""

    lead_list_id: str
    scope: ListScope
    quote_id: str


class CreateListRequest(Sent):
    """`POST /lead-lists`."""

    name: Annotated[str, Field(min_length=1, max_length=LIST_NAME)]
    description: str | None = None


class CsvImportRequest(Sent):
    """`POST /lead-lists/{id}/csv-import`; enrichment is never dispatched from here, which has to be said: left out,
    it would be."""

    csv_content_base64: str
    column_mapping: Annotated[dict[ImportField, str], Field(min_length=1)]
    dispatch_enrichment: Literal[False] = False
    idempotency_key: Annotated[str, Field(max_length=128)]


class Whoami(Received):
    """Who the key belongs to."""

    user_email: Text = ""
    user_name: Text = ""
    organization_id: Identifier  # has to be there: without it the answer is none of this endpoint
    organization_name: Text = ""
    auth_type: Text = ""
    tier: Text = ""
    scopes: Words = None
    features: Words = None


class Balance(Received):
    """Whole credits left; below zero where the account owes some."""

    organization_id: Identifier = ""
    credits: Credits


class Estimate(Received):
    """A signed quote. `expires_at` is in epoch seconds, 0 where it cannot be read; `estimated_cost` is the most
    that can be charged. One that would give rows away is not understood."""

    quote_id: QuoteId
    expires_at: Annotated[float, BeforeValidator(_moment)]
    estimated_cost: Amount
    row_count: Amount
    available_credits: Credits

    @model_validator(mode="after")
    def _rows_have_a_price(self) -> Self:
        if self.row_count and not self.estimated_cost:
            raise ValueError("rows without a price")
        return self


class PersonStarted(Received):
    """A single run that was accepted; 0 credits reserved where the answer does not tell."""

    workflow_id: RequiredId
    status: Text = "pending"
    credits_reserved: Reserved = 0
    lead_list_id: Identifier = ""


class ListStarted(Received):
    """A list run that was accepted; 0 credits reserved where the answer does not tell."""

    workflow_id: RequiredId
    status: Text = "pending"
    credits_reserved: Reserved = 0


class Lead(Received):
    """A person as the API tells of one: a row of a list."""

    first_name: Text = ""
    last_name: Text = ""
    full_name: Text = ""
    email: Text = ""
    phone: Text = ""
    title: Text = ""
    company: Text = ""
    linkedin_url: Text = ""

    @property
    def name(self) -> str:
        """The whole name, put together where it is not given."""
        return self.full_name or " ".join(part for part in (self.first_name, self.last_name) if part)


class PersonFound(Lead):
    """What a finished single run found. An empty `lead_id` means that nothing usable was."""

    lead_id: Identifier = ""
    status: Text = ""
    email_status: Text = ""


class WorkflowStatus(Received):
    """Where a run stands. Credits are null until it is settled."""

    workflow_id: Identifier = ""
    status: Annotated[str, BeforeValidator(_status)]
    progress: Annotated[float | None, BeforeValidator(_percent)] = None
    total: Count = 0
    processed: Count = 0
    completed: Count = 0
    enrichment_type: Text = ""
    lead_list_id: Identifier = ""
    refund_status: Text = ""
    refund_message: Text = ""
    message: Text = ""
    agent_instructions: Text = ""
    result: Annotated[PersonFound | None, BeforeValidator(_record)] = None
    credits_charged: MaybeCount = None
    credits_refunded: MaybeCount = None

    @property
    def note(self) -> str:
        """The text that the vendor means for a reader."""
        return self.message or self.agent_instructions

    @property
    def finished(self) -> bool:
        """Whether the run has ended, in whichever way."""
        return self.status.casefold() in TERMINAL_STATUSES

    @property
    def under_review(self) -> bool:
        """Whether a failed run's refund is still being decided: then nothing has been refunded yet."""
        return self.refund_status == "pending_review"


class LeadList(Received):
    """A lead list, as listed or as created (`reused`: a list of that name was there already)."""

    list_id: RequiredId
    name: Text = ""
    lead_count: Count = 0
    created_at: Text = ""
    visibility: Text = ""
    reused: Flag = None


class ListsPage(Received):
    """One page of lists; an empty `cursor` is the end."""

    lists: Annotated[list[LeadList], BeforeValidator(_lists)]
    total: Count = 0
    cursor: Cursor = ""


class LeadsPage(Received):
    """One page of a list's rows; an empty `cursor` is the end, an empty `list_id` was not told."""

    list_id: Identifier = ""
    leads: Annotated[list[Lead], BeforeValidator(_records)]
    total: Count = 0
    cursor: Cursor = ""


class CsvImported(Received):
    """What an import did with the rows it was sent."""

    rows_imported: int = Field(ge=0)
    sample_skip_rows: Annotated[list[int], BeforeValidator(_row_numbers)] = []
    skip_reasons: Annotated[dict[str, int], BeforeValidator(_reasons)] = {}
    idempotency_replayed: Annotated[bool | None, BeforeValidator(_flag)] = None


class Export(Received):
    """A signed link to a CSV file."""

    download_url: Url
    expires_at: Text = ""
    row_count: MaybeCount = None
    file_size_bytes: MaybeCount = None
