"""A Cleanlist API on loopback that breaks as real networks do, with a ledger of what it really started.

Plain sockets and threads: it can send whatever bytes a fault calls for, and goes on while a test's own event loop
is busy. `Account` is what the API knows and does, `HostileApi` the way to it; the faults stand in
`tests/hostile_faults.py`.
"""

import base64
import csv
import io
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from tests.hostile_faults import Fault

KEY = "clapi_" + "hostile" * 6
"""The one key of the account; every other is refused."""

PRICES = {"partial": 1, "phone_only": 10, "full": 11}
DEFAULT_LIST = "MCP Results"
DEFAULT_LIST_ID = "ll_results"
PAID = ("/enrichment/person", "/enrichment/bulk")

CSV_FIELDS = frozenset(
    {
        *("first_name", "last_name", "full_name", "email", "phone", "mobile_phone", "work_phone"),
        *("linkedin_url", "company_name", "company_domain", "job_title", "city", "state", "country"),
        *("domain", "title", "person_id"),  # not the API's words; what an import maps is no matter here
    }
)
"""The fields that an import may map. Wider than the API's own list: other tests hold requests to that."""

# ---- messages


@dataclass(frozen=True)
class Request:
    """One request; `path` is below the base address, `body` an object, empty if there was none."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def paid(self) -> bool:
        """True if the request asks for a paid run."""
        return self.method == "POST" and self.path in PAID


@dataclass(frozen=True)
class Answer:
    """One answer, still to be written."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def raw(self) -> bytes:
        """The answer as it goes over the line, on a connection that is kept."""
        fields = {"Content-Type": self.content_type, "Content-Length": str(len(self.body))}
        lines = [
            f"HTTP/1.1 {self.status} Because",
            *(f"{k}: {v}" for k, v in {**fields, **self.headers}.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def json_answer(status: int, data: Mapping[str, Any], **headers: str) -> Answer:
    """Return an answer with `data` as its JSON body."""
    return Answer(status, json.dumps(data).encode(), headers=headers)


def problem(status: int, code: str, *, retryable: bool = False, **more: Any) -> Answer:
    """Return a refusal in the API's own error shape; `more` are further members of it."""
    error = {"code": code, "problem": f"Refused as {code}.", "retryable": retryable, **more}
    return json_answer(status, {"error": error})


class Refusal(Exception):
    """Raised inside the account if a request is refused."""

    def __init__(self, status: int, code: str, **more: Any) -> None:
        super().__init__(code)
        self.code = code
        self.answer = problem(status, code, **more)


# ---- the ledger


@dataclass(eq=False)
class Run:
    """A paid run that really started. Moments are monotonic seconds.

    `who` is the person as the test recognises them, or the list. `told` turns true once an answer that names the
    run was written to its end.
    """

    workflow_id: str
    kind: str
    who: str
    scope: str
    list_id: str
    quote_id: str | None
    rows: int
    reserved: int
    started_at: float
    ends_at: float
    full_name: str = ""
    told: bool = False
    looked_at: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """The parts that are equal if two runs are one piece of work."""
        return self.who, self.scope, self.list_id

    def finished(self, now: float) -> bool:
        """Return True if the run has ended by then."""
        return now >= self.ends_at


@dataclass(eq=False)
class Attempt:
    """A request for a paid run that reached the API, and what became of it.

    `run` is what it started, `refused_as` the code with which the account itself refused it.
    """

    who: str
    scope: str
    list_id: str
    quote_id: str | None
    fault: str
    at: float
    run: Run | None = None
    refused_as: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        return self.who, self.scope, self.list_id


@dataclass
class _Quote:
    list_id: str
    scope: str
    rows: int
    cost: int
    used: bool = False


@dataclass
class LeadList:
    """A lead list. Imported rows stay out of sight of readers, as those that nobody enriched do."""

    list_id: str
    name: str
    rows: int = 0
    imported: list[dict[str, str]] = field(default_factory=list)

    @property
    def shown(self) -> dict[str, Any]:
        return {"list_id": self.list_id, "name": self.name, "lead_count": self.rows + len(self.imported)}


def spelt_out(body: Mapping[str, Any]) -> str:
    """Return whom a request means if no test knows better: every identifying field, as it was sent."""
    names = ("email", "linkedin_url", "person_id", "first_name", "last_name", "company_name", "domain")
    return " ".join(f"{name}={body[name]}" for name in names if body.get(name))


# ---- what the API knows and does


class Account:
    """One organization: its lists, quotes and runs. Every request is carried out by itself, as in one transaction.

    `recognise` names the person that a request means; `person_seconds` and `list_seconds` are how long runs take,
    `credits` the balance, which may be set below zero.
    """

    def __init__(self, recognise: Callable[[Mapping[str, Any]], str] = spelt_out) -> None:
        self.recognise = recognise
        self.person_seconds = 0.0
        self.list_seconds = 0.0
        self.credits = 1_000_000
        self.lists: dict[str, LeadList] = {DEFAULT_LIST_ID: LeadList(DEFAULT_LIST_ID, DEFAULT_LIST)}
        self.runs: list[Run] = []
        self.attempts: list[Attempt] = []
        self.imports: dict[str, dict[str, Any]] = {}
        self.lock = threading.RLock()
        self._quotes: dict[str, _Quote] = {}
        self._numbers = count(1)

    def add_list(self, name: str, rows: int = 3) -> LeadList:
        """Put a list with so many rows, none of them visible yet, into the account."""
        with self.lock:
            made = LeadList(f"ll_{next(self._numbers):04}", name, rows)
            self.lists[made.list_id] = made
            return made

    def run(self, workflow_id: str) -> Run | None:
        """Return the run of that id."""
        return next((run for run in self.runs if run.workflow_id == workflow_id), None)

    def note(self, request: Request, fault: str) -> Attempt:
        """Enter a request for a paid run into the ledger before anything is done about it."""
        body = request.body
        is_list = request.path == "/enrichment/bulk"
        list_id = str(body.get("lead_list_id") or body.get("list_id") or DEFAULT_LIST_ID)
        attempt = Attempt(
            who=f"list {list_id}" if is_list else self.recognise(body),
            scope=str(body.get("scope") if is_list else body.get("enrichment_type")).replace("-", "_"),
            list_id=list_id,
            quote_id=body.get("quote_id"),
            fault=fault,
            at=time.monotonic(),
        )
        with self.lock:
            self.attempts.append(attempt)
        return attempt

    def carry_out(self, request: Request, attempt: Attempt | None) -> Answer:
        """Do what the request asks for, and return the honest answer."""
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return problem(401, "unauthorized")
        with self.lock:
            try:
                return self._routed(request, attempt)
            except Refusal as refusal:
                if attempt is not None:
                    attempt.refused_as = refusal.code
                return refusal.answer

    def _routed(self, request: Request, attempt: Attempt | None) -> Answer:
        if attempt is not None:
            return self._start(request, attempt)
        for method, pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found and method == request.method:
                return handler(self, request, *map(unquote, found.groups()))
        raise Refusal(404, "not_found")

    # -- free requests

    def _whoami(self, request: Request) -> Answer:
        return json_answer(
            200,
            {
                "user_id": "usr_1",
                "user_email": "o***@hostile.example",
                "user_name": "Otto Hostile",
                "organization_id": "org_1",
                "organization_name": "Hostile Example",
                "auth_type": "api_key",
                "scopes": [],
                "tier": "pro",
                "features": [],
            },
        )

    def _balance(self, request: Request) -> Answer:
        return json_answer(200, {"organization_id": "org_1", "credits": self.credits})

    def _estimate(self, request: Request) -> Answer:
        found = self._list(str(request.body.get("list_id")))
        scope = str(request.body.get("scope")).replace("-", "_")
        rows = int(found.shown["lead_count"])
        quote = _Quote(found.list_id, scope, rows, rows * PRICES[scope])
        quote_id = f"qte_k1_{int(time.time())}_{next(self._numbers):06}"
        self._quotes[quote_id] = quote
        return json_answer(
            200,
            {
                "quote_id": quote_id,
                "expires_at": int(time.time()) + 300,
                "estimated_cost": quote.cost,
                "tool": "enrich_list",
                "row_count": rows,
                "filter_hash": "0",
                "available_credits": self.credits,
                "sufficient": self.credits >= quote.cost,
            },
        )

    def _status(self, request: Request, workflow_id: str) -> Answer:
        run = self.run(workflow_id)
        if run is None:
            raise Refusal(404, "not_found")
        run.looked_at = True
        return json_answer(200, status_of(run, time.monotonic()))

    def _find_lists(self, request: Request) -> Answer:
        first, limit = int(request.query.get("cursor") or 0), int(request.query.get("limit", 50))
        every = list(self.lists.values())
        cursor = str(first + limit) if first + limit < len(every) else None
        shown = [found.shown for found in every[first : first + limit]]
        return json_answer(200, {"lists": shown, "total": len(every), "cursor": cursor})

    def _create_list(self, request: Request) -> Answer:
        name = str(request.body.get("name"))
        for found in self.lists.values():
            if found.name.casefold() == name.casefold():
                return json_answer(200, found.shown | {"reused": True})
        return json_answer(201, self.add_list(name, rows=0).shown | {"reused": False})

    def _one_list(self, request: Request, list_id: str) -> Answer:
        return json_answer(200, self._list(list_id).shown)

    def _leads(self, request: Request, list_id: str) -> Answer:
        self._list(list_id)
        return json_answer(200, {"list_id": list_id, "leads": [], "total": 0, "cursor": None})

    def _import(self, request: Request, list_id: str) -> Answer:
        found = self._list(list_id)
        key = str(request.body.get("idempotency_key"))
        if key in self.imports:
            return json_answer(201, self.imports[key] | {"idempotency_replayed": True})
        mapping = request.body.get("column_mapping") or {}
        if not set(mapping) <= CSV_FIELDS:
            raise Refusal(422, "validation_error")
        text = base64.b64decode(str(request.body.get("csv_content_base64"))).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text)))
        found.imported.extend({name: row.get(title, "") for name, title in mapping.items()} for row in rows)
        figures = {"rows_parsed": len(rows), "rows_imported": len(rows), "rows_skipped": 0}
        self.imports[key] = figures | {"skip_reasons": {}, "sample_skip_rows": [], "workflow_id": None}
        return json_answer(201, self.imports[key] | {"idempotency_replayed": False})

    def _list(self, list_id: str) -> LeadList:
        if list_id not in self.lists:
            raise Refusal(404, "not_found")
        return self.lists[list_id]

    # -- paid requests

    def _start(self, request: Request, attempt: Attempt) -> Answer:
        target = self._list(attempt.list_id)
        is_list = request.path == "/enrichment/bulk"
        rows = self._spend_quote(attempt).rows if is_list else 1
        now = time.monotonic()
        seconds = self.list_seconds if is_list else self.person_seconds
        names = (str(request.body.get(part) or "") for part in ("first_name", "last_name"))
        run = Run(
            workflow_id=f"{'bulk-enrich' if is_list else 'enrich'}-{next(self._numbers):06}",
            kind="list" if is_list else "person",
            who=attempt.who,
            scope=attempt.scope,
            list_id=target.list_id,
            quote_id=attempt.quote_id,
            rows=rows,
            reserved=rows * PRICES[attempt.scope],
            started_at=now,
            ends_at=now + seconds,
            full_name=" ".join(part for part in names if part),
        )
        attempt.run = run
        self.runs.append(run)
        return json_answer(200, accepted(run))

    def _spend_quote(self, attempt: Attempt) -> _Quote:
        quote = self._quotes.get(attempt.quote_id or "")
        if quote is None or (quote.list_id, quote.scope) != (attempt.list_id, attempt.scope):
            raise Refusal(400, "quote_mismatch")
        if quote.used:
            raise Refusal(409, "quote_already_used")
        quote.used = True
        return quote


def accepted(run: Run) -> dict[str, Any]:
    """Return the API's answer about a run that it just started."""
    said = {
        "workflow_id": run.workflow_id,
        "status": "pending",
        "credits_reserved": run.reserved,
        "lead_list_id": run.list_id,
        "poll_url": f"/enrichment/status/{run.workflow_id}",
    }
    if run.kind == "list":
        said |= {"total_leads": run.rows, "estimated_cost": run.reserved}
    return said


def status_of(run: Run, now: float) -> dict[str, Any]:
    """Return how a run stands; each finds everything that it looks for, so that it costs what it reserved."""
    over = run.finished(now)
    done = run.rows if over else 0
    return {
        "workflow_id": run.workflow_id,
        "status": "completed" if over else "running",
        "progress": 100 if over else 10,
        "total": run.rows,
        "processed": done,
        "completed": done,
        "failed": 0,
        "enrichment_type": run.scope,
        "lead_list_id": run.list_id,
        "summary": {},
        "refund_status": "not_applicable",
        "refund_message": None,
        "result": found_person(run) if over and run.kind == "person" else None,
        "credits_charged": run.reserved if over else None,
        "credits_refunded": 0 if over else None,
    }


def found_person(run: Run) -> dict[str, Any]:
    """Return the result of a run for one person, which is theirs alone."""
    return {
        "lead_id": f"lead_{run.workflow_id}",
        "status": "completed",
        "full_name": run.full_name,
        "email": address_of(run.who),
        "email_status": "valid",
        "enrichment_type": run.scope,
        "provider": "Example Data",
    }


def address_of(who: str) -> str:
    """Return the address that the API finds for a person: nobody else has it."""
    return f"{re.sub('[^a-z0-9]+', '-', who.casefold())}@found.example"


_LIST = r"/lead-lists/([^/]+)"
_ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("GET", "/whoami", Account._whoami),
    ("GET", "/credits/balance", Account._balance),
    ("POST", "/credits/estimate", Account._estimate),
    ("GET", "/enrichment/status/([^/]+)", Account._status),
    ("GET", "/lead-lists", Account._find_lists),
    ("POST", "/lead-lists", Account._create_list),
    ("GET", _LIST, Account._one_list),
    ("GET", f"{_LIST}/leads", Account._leads),
    ("POST", f"{_LIST}/csv-import", Account._import),
)


# ---- the way to it


class HostileApi:
    """An account behind a real socket, and the faults on the way to it.

    `next` plans faults for single requests; `draw` is asked for every request that none is planned for. `requests`
    holds everything that arrived. Use it as a context manager.
    """

    def __init__(self, recognise: Callable[[Mapping[str, Any]], str] = spelt_out) -> None:
        self.account = Account(recognise)
        self.requests: list[Request] = []
        self.draw: Callable[[Request], Fault | None] = lambda request: None
        self._planned: list[tuple[str, Fault]] = []
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listening: socket.socket | None = None
        self._port = 0

    def __enter__(self) -> "HostileApi":
        self.plug_in()
        return self

    def __exit__(self, *exc: object) -> None:
        self.unplug()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    @property
    def url(self) -> str:
        """The base address; the other version of the API has the ending `/api/v2` and is the same account."""
        return f"http://127.0.0.1:{self._port}/api/v1/public"

    def next(self, route: str, *faults: "Fault", times: int = 1) -> None:
        """Plan these faults for the coming requests of a route, such as `POST /enrichment/person`, in their order."""
        with self.account.lock:
            self._planned.extend((route, fault) for fault in faults * times)

    def forget_faults(self) -> None:
        """Let every request from here on be answered as it should be."""
        with self.account.lock:
            self._planned.clear()
            self.draw = lambda request: None

    def posts(self, path: str) -> int:
        """Count the requests of this kind that arrived."""
        return sum(request.method == "POST" and request.path == path for request in list(self.requests))

    def plug_in(self) -> None:
        """Listen, at the same port as before."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self._port))
        listening.listen(128)
        self._port = listening.getsockname()[1]
        self._listening = listening
        self._run(self._accept, listening)

    def unplug(self) -> None:
        """Refuse new connections; those that exist go on."""
        listening, self._listening = self._listening, None
        if listening is not None:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listening.close()

    def _run(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads = [known for known in self._threads if known.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.add(connection)
            self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        from tests.hostile_faults import Exchange  # the faults know this module

        with suppress(OSError), connection, connection.makefile("rb") as stream:
            while (request := read_request(stream)) is not None:
                self.requests.append(request)
                fault = self._fault_for(request)
                exchange = Exchange(self, connection, request, fault.name)
                fault.play(exchange)
                if exchange.over:
                    break
        self._connections.discard(connection)

    def _fault_for(self, request: Request) -> "Fault":
        from tests.hostile_faults import NO_FAULT

        route = f"{request.method} {request.path}"
        with self.account.lock:
            for number, (wanted, fault) in enumerate(self._planned):
                if route.startswith(wanted):
                    del self._planned[number]
                    return fault
            return self.draw(request) or NO_FAULT


def read_request(stream: BinaryIO) -> Request | None:
    """Read one whole request; None at the end of the connection."""
    words = stream.readline().decode("latin-1").split()
    if len(words) != 3:
        return None
    headers = dict(_header_lines(stream))
    length = int(headers.get("content-length", 0))
    content = stream.read(length)
    if len(content) < length:
        return None  # its sender died over it
    target = urlsplit(words[1])
    path = re.sub(r"^/api/(v1/public|v2)", "", target.path)
    query = {name: values[0] for name, values in parse_qs(target.query).items()}
    body = json.loads(content) if content else {}
    return Request(words[0], path, query, headers, body)


def _header_lines(stream: BinaryIO) -> Iterable[tuple[str, str]]:
    while line := stream.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        yield name.strip().casefold(), value.strip()
