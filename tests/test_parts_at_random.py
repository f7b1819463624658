"""Quotes and runs of parts of a list in any order, with answers lost, handles expired and servers started anew."""

import tempfile
from pathlib import Path
from typing import Any

import anyio
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_mcp.sandbox.people import Identity
from tests.support import Session, World, said

PATHS = ("/enrichment/by-task", "/enrichment/bulk")

Action = tuple[str, Any]

wishes = st.fixed_dictionaries(
    {"scope": st.sampled_from(("partial", "phone_only"))},
    optional={
        "max_rows": st.integers(1, 5),
        "max_credits": st.integers(0, 30),
        "only_missing": st.just(True),
    },
)
quoting = st.tuples(st.just("quote"), wishes)
spending = st.tuples(st.just("spend"), st.integers(0, 5))
disturbing = st.one_of(
    st.tuples(st.just("lose"), st.sampled_from(("reset_before", "reset_after", "truncated", "server_error"))),
    st.tuples(st.just("expire"), st.none()),
    st.tuples(st.just("restart"), st.none()),
)
waiting = st.tuples(st.just("wait"), st.sampled_from((5, 50, 1_000)))
rounds = st.tuples(
    st.lists(quoting, min_size=1, max_size=3),
    st.lists(disturbing, max_size=1),
    st.lists(st.one_of(spending, spending, waiting), min_size=1, max_size=4),
)
actions = st.lists(rounds, min_size=1, max_size=3).map(
    lambda drawn: [action for one in drawn for part in one for action in part]
)


def crowd() -> list[Identity]:
    words = ("surely", "nobody", "no-email", "no-phone")
    return [
        Identity(first_name=f"{words[number % 4]} {number}", last_name="Fable", domain="fable.example")
        for number in range(6)
    ] + [Identity(email="surely.known@fable.example")]


class Play:
    """One conversation over one list, and the quotes that it was given."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder, rate_limits=False, seed_credits=5_000)
        self.list_id = self.world.sandbox.add_list("A slow list", crowd())
        self.quotes: list[dict[str, Any]] = []

    async def go(self, plan: list[Action]) -> None:
        while plan:
            async with self.world.connect() as session:
                while plan:
                    what, given = plan.pop(0)
                    if what == "restart":
                        break
                    await getattr(self, f"_{what}")(session, given)

    async def _quote(self, session: Session, given: dict[str, Any]) -> None:
        quote = said(await session.result("estimate", list_id=self.list_id, **given))
        if "quote_id" in quote:
            self.quotes.append(quote)

    async def _spend(self, session: Session, given: int) -> None:
        if self.quotes:
            quote = self.quotes[-1 - given % len(self.quotes)]
            names = ("list_id", "scope", "quote_id")
            await session.result(
                "enrich_list", **{name: quote[name] for name in names}, wait_seconds=given * 9
            )

    async def _lose(self, session: Session, given: Any) -> None:
        for path in PATHS:
            self.world.sandbox.faults.next(f"POST {path}", given)

    async def _wait(self, session: Session, given: int) -> None:
        await self.world.clock.sleep(given)

    async def _expire(self, session: Session, given: None) -> None:
        self.world.sandbox.cohorts.expire()

    def check(self) -> None:
        """Each run had a quote of its own, for no more rows and credits; and nothing was paid for twice."""
        self.world.clock.now += 3_600
        runs = self.world.sandbox.runs
        by_id = {quote["quote_id"]: quote for quote in self.quotes}
        assert len({run.quote_id for run in runs}) == len(runs)
        for run in runs:
            quote = by_id[run.quote_id]
            assert run.list_id == self.list_id
            assert len(run.leads) == quote["row_count"]
            assert run.credits_charged <= run.credits_reserved <= quote["estimated_cost"]
        paid = [
            (lead.lead_id, contact)
            for run in runs
            for lead, outcome in zip(run.leads, run.outcomes, strict=True)
            for contact in ("email", "phone")
            if getattr(outcome, contact)
        ]
        assert len(paid) == len(set(paid))
        assert len(self.world.sandbox.leads(self.list_id)) == len(crowd())


@given(actions)
def test_no_order_of_things_pays_twice_or_for_other_rows_than_were_quoted(plan: list[Action]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        play = Play(Path(folder))
        anyio.run(play.go, list(plan))
        play.check()
