"""Every state that a card can be in, with made-up answers beside it: for pictures, and for what must hold in each."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.card_hosts import Card

FONTS = {"--font-sans": "Inter, 'Noto Sans', 'Noto Sans CJK SC', sans-serif"}
"""A host's own font; without one, a card takes the system's."""

Data = dict[str, Any]

QUOTE: Data = {
    "summary": 'Enriching 38 of the 52 rows of "Fair in Hamburg" (partial: e-mail) costs at most 38 credits.',
    "quote_id": "qte_1",
    "list_id": "list_1",
    "list_name": "Fair in Hamburg",
    "scope": "partial",
    "row_count": 38,
    "rows_in_list": 52,
    "already_complete": 11,
    "tried_before": 3,
    "names": ["Ada Okonkwo", "Zoë Müller", "Søren Åkesson", "María José Núñez", "Grace Tamatea"],
    "credits_per_row": 1,
    "estimated_cost": 38,
    "available_credits": 4989,
    "balance_after": 4951,
    "daily_left": 200,
    "daily_left_after": 162,
    "sufficient": True,
    "fits_limits": True,
    "expires_in_seconds": 300,
}
RUN: Data = {
    "summary": "Finished: 31 of 38 rows found, 7 not found. 31 credits charged, 7 refunded.",
    "next_step": 'Call get_leads(list_id="list_1") to see the people.',
    "workflow_id": "bulk-1",
    "kind": "list",
    "status": "completed",
    "finished": True,
    "scope": "partial",
    "list_id": "list_1",
    "list_name": "Fair in Hamburg",
    "total": 38,
    "processed": 38,
    "found": 31,
    "not_found": 7,
    "credits": {"reserved": 38, "charged": 31, "refunded": 7, "quoted": 38},
}
RUNNING: Data = {
    **{name: RUN[name] for name in ("workflow_id", "kind", "scope", "list_id", "list_name", "total")},
    "summary": "Not finished: 14 of 38 rows processed; reserved: up to 38 credits.",
    "status": "running",
    "finished": False,
    "processed": 14,
    "credits": {"reserved": 38, "quoted": 38},
}
PEOPLE: list[Data] = [
    {
        "name": "Ada Okonkwo",
        "title": "Head of Operations",
        "company": "Brightwater Logistics",
        "email": "ada.okonkwo@brightwater.example",
    },
    {
        "name": "Zoë Müller",
        "title": "VP Sales",
        "company": "Alpenblick Software",
        "email": "zoe.muller@alpenblick.example",
        "phone": "+49 30 5550 0142",
    },
    {"name": "Søren Åkesson", "company": "Fjordlys Energi", "tried": ["email"]},
    {
        "name": "李 小龙",
        "title": "Procurement Lead",
        "company": "青山科技",
        "email": "xiaolong.li@qingshan.example",
    },
    {
        "name": "Priya Raghunathan",
        "title": "Director of Engineering",
        "company": "Banyan Systems",
        "email": "priya@banyan.example",
        "excluded": True,
    },
    {
        "name": "Siobhán Ó Briain",
        "title": "Head of Growth",
        "company": "Claddagh Analytics",
        "email": "siobhan@claddagh.example",
    },
]
RIGHT_TO_LEFT: list[Data] = [
    {
        "name": "محمد الحسن",
        "title": "Regional Manager",
        "company": "واحة التقنية",
        "email": "m.alhasan@waha.example",
    },
    {"name": "נועה ברק", "title": "מנהלת שיווק", "company": "Galil Cloud", "email": "noa@galil.example"},
    {"name": "Ada \u202eelbaF\u202c Okonkwo", "title": "Head\u200b of Operations", "company": "Brightwater"},
]
FOUND: Data = {
    "summary": "102 people match; shown: 1 to 6.",
    "next_step": 'call create_list(name="…"), then add_leads(list_id="…", search_id="search_1")',
    "search_id": "search_1",
    "total": 102,
    "people": [
        {"entity_id": str(number), "name": name, "title": title, "company": company, "location": place}
        for number, (name, title, company, place) in enumerate(
            (
                ("Bodil Mølbæk", "VP Sales, EMEA", "Paperkite Software", "Aarhus, Denmark"),
                ("Gareth Begum", "VP Marketing", "Harbourgate Bank", "Belfast, Northern Ireland"),
                ("Inês Carvalhal", "VP Operations", "Serra Logistics", "Porto, Portugal"),
                ("Jonas Vetter", "VP Sales", "Nordlicht Energie", "Kiel, Germany"),
                ("Mira Talbot", "VP People", "Cedar & Wren", "Leeds, United Kingdom"),
                ("Oskar Lindqvist", "VP Engineering", "Fjällbäck", "Umeå, Sweden"),
            )
        )
    ],
}


def leads(rows: list[Data]) -> Data:
    return {
        "summary": f'"Fair in Hamburg" has {len(rows)} rows.',
        "list_id": "list_1",
        "list_name": "Fair in Hamburg",
        "total": len(rows),
        "looked_at": len(rows),
        "leads": rows,
    }


def spent(rows: list[Data], **more: Any) -> Data:
    return {
        "summary": "What was spent from here.",
        "credits": 4989,
        "charged": sum(row["charged"] for row in rows),
        "refunded": sum(row["refunded"] for row in rows),
        "reserved": 0,
        "unknown": 0,
        "rows": rows,
        "daily_limit": 500,
        "daily_left": 388,
        "hourly_unquoted_limit": 100,
        "hourly_unquoted_left": 93,
    } | more


def row(label: str, charged: int, reserved: int = 0) -> Data:
    return {
        "label": label,
        "charged": charged,
        "refunded": charged // 5,
        "reserved": reserved,
        "unknown": 0,
        "runs": 1,
        "rows": charged,
        "found": charged,
    }


def by_day(amounts: list[int]) -> list[Data]:
    """Rows for the last days, the newest amount last; a day without one has no row."""
    today = datetime.now(UTC).date()
    dated = [
        (today - timedelta(days=len(amounts) - 1 - place), amount) for place, amount in enumerate(amounts)
    ]
    return [row(day.isoformat(), amount) for day, amount in dated if amount]


def many_days(days: int) -> list[int]:
    chance = random.Random(7)  # noqa: S311 - a picture, and the same each time
    return [0 if chance.random() < 0.3 else chance.randint(3, 60) for _ in range(days)]


@dataclass(frozen=True)
class State:
    """One state: beside which result, in which host, and after which presses; it is there once `until` is shown."""

    name: str
    data: Data
    until: str
    proof: bool = False
    input: Data = field(default_factory=dict)
    faults: list[Data] = field(default_factory=list)
    presses: tuple[str, ...] = ()
    ticks: tuple[str, ...] = ()


def states() -> Iterator[State]:
    """Every state of the cards."""
    good = [
        answering(
            "card_shown", {"summary": "", "quote_id": "qte_1", "used": False, "expires_in_seconds": 272}
        )
    ]
    late = [
        answering("card_shown", {"summary": "", "quote_id": "qte_1", "used": False, "expires_in_seconds": 0})
    ]
    waiting = [{"tool": "workflow_status", "what": "silent", "times": 99}]
    low = QUOTE | {
        "summary": "The account is 1,211 credits short. Scope partial would cost at most 620 credits.",
        "estimated_cost": 6200,
        "row_count": 620,
        "rows_in_list": 620,
        "balance_after": -1211,
        "sufficient": False,
        "shortfall_credits": 1211,
        "scope": "phone_only",
        "names": None,
        "daily_left_after": None,
    }
    nothing = {
        **QUOTE,
        "row_count": 0,
        "estimated_cost": 0,
        "quote_id": None,
        "summary": 'Nothing to buy in "Fair in Hamburg" (partial: e-mail): 49 have an e-mail address already and 3 '
        "were tried in the last 30 days and not found. No quote was made.",
    }
    yield State("quote", QUOTE, "Approve", proof=True, faults=good)
    yield State("declined", QUOTE, "Nothing was sent", proof=True, faults=good, presses=("Not now",))
    yield State("low-balance", low, "short")
    yield State("nothing-to-buy", nothing, "Nothing to buy")
    yield State("in-the-chat", QUOTE, "in the chat")
    yield State("expired", QUOTE, "expired", proof=True, faults=late)
    yield State(
        "lost",
        QUOTE,
        "No clear answer",
        proof=True,
        faults=[*good, {"tool": "approve_quote", "what": "refused"}],
        presses=("Approve 38 credits",),
    )
    yield State("running", RUNNING, "Processed", faults=waiting)
    yield State("finished", RUN, "Charged")
    yield State(
        "nothing-found",
        RUN | {"found": 0, "not_found": 38, "credits": {"charged": 0, "refunded": 38}},
        "Charged",
    )
    yield State(
        "failed",
        RUN
        | {
            "status": "failed",
            "found": None,
            "not_found": None,
            "summary": "The run failed. The refund is under review.",
            "credits": {"reserved": 38},
        },
        "failed",
    )
    yield State("people", leads(PEOPLE), "Ada")
    yield State("right-to-left", leads(RIGHT_TO_LEFT), "Galil")
    yield State("search", FOUND, "Bodil", ticks=("Tick Bodil Mølbæk", "Tick Jonas Vetter"))
    yield State(
        "nobody",
        FOUND | {"people": [], "total": 0, "summary": 'Nobody matches the title "Chief Otter".'},
        "Nobody",
    )
    day = {"by": "day", "days": 30}
    yield State("spending", spent(by_day([*many_days(27), 4, 640, 22])), "left", input=day)
    yield State("one-day", spent(by_day([31])), "left", input=day)
    yield State("ninety-days", spent(by_day(many_days(90))), "left", input={"by": "day", "days": 90})
    yield State("no-days", spent([]), "left", input=day)
    lists = [
        row("Fair in Hamburg", 1980),
        row("Q3 Prospects", 120, 40),
        row("MCP Results", 77),
        row("A list with quite a long name, as people make them", 12),
    ]
    yield State("by-list", spent(lists, reserved=40), "left", input={"by": "list", "days": 30})
    yield State("balance", spent([row("in all", 31)]), "left", input={})


def answering(tool: str, data: Data) -> Data:
    """A host that answers a card's call by itself."""
    return {"tool": tool, "what": "answer", "times": 99, "result": {"content": [], "structuredContent": data}}


async def show(card: Card, state: State) -> None:
    """Bring a card into a state, whatever it showed before."""
    data = {name: value for name, value in state.data.items() if value is not None}
    result: Data = {"content": [{"type": "text", "text": ""}], "structuredContent": data}
    if state.proof:
        result["_meta"] = {"ai.cleanlist/approval": "made up"}
    await card.ask("show", result=result, input=state.input, faults=state.faults)
    await card.text(state.until if not state.presses else "Approve")
    for name in state.ticks:
        await card.press(name, role="checkbox")
    for name in state.presses:
        await card.press(name)
    await card.text(state.until)
