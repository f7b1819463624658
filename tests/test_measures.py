"""Figures for whoever watches a service: they equal what the API's own ledger says, and hold no word of anybody's."""

from collections import Counter
from collections.abc import Iterator, Mapping

import httpx
import pytest

from cleanlist_mcp import measures
from cleanlist_mcp.measures import API_SECONDS, CLAIM_SECONDS, CLAIMS, CREDITS, FIGURES, Figure
from cleanlist_mcp.sandbox.directory import companies
from tests.support import Answering, World

ADA = {"first_name": "Ada", "last_name": "Fable", "domain": "fable.example"}


class Heard:
    """The figures that a listener was given: the sum, and how often, by figure and labels."""

    def __init__(self) -> None:
        self.sums: Counter[tuple[str, ...]] = Counter()
        self.times: Counter[tuple[str, ...]] = Counter()

    def __call__(self, figure: Figure, amount: float, labels: Mapping[str, str]) -> None:
        assert tuple(sorted(labels)) == tuple(sorted(figure.labels))
        key = (figure.name, *(labels[name] for name in figure.labels))
        self.sums[key] += amount  # type: ignore[assignment]
        self.times[key] += 1

    def credits(self, kind: str) -> dict[str, float]:
        return {
            state: self.sums[(CREDITS.name, state, kind)] for state in ("reserved", "charged", "refunded")
        }


@pytest.fixture
def heard() -> Iterator[Heard]:
    listener = Heard()
    measures.listen(listener)
    yield listener
    measures.listen(None)


async def test_credits_are_counted_once_however_often_a_run_is_looked_at(world: World, heard: Heard) -> None:
    async with world.connect() as session:
        report = await session.call("enrich_person", **ADA)
        for _ in range(2):
            await session.call("workflow_status", workflow_id=report["workflow_id"])
        await session.call("enrich_person", **ADA)

    assert heard.credits("person") == {"reserved": 1, "charged": 1, "refunded": 0}
    assert heard.times[(CLAIMS.name, "start")] == heard.times[(CLAIMS.name, "replay")] == 1
    assert heard.times[(CLAIM_SECONDS.name,)] == 2


async def test_the_credits_of_a_list_add_up_to_the_ledger(world: World, heard: Heard) -> None:
    async with world.connect() as session:
        report = await session.call("enrich_list", **await world.quote(session), wait_seconds=30)

    bill = report["credits"]
    assert heard.credits("list") == {name: bill[name] for name in ("reserved", "charged", "refunded")}
    assert heard.credits("list")["charged"] == world.sandbox.ledger().charged


async def test_a_company_counts_what_it_cost(world: World, heard: Heard) -> None:
    async with world.connect() as session:
        await session.call("enrich_company", domain=next(iter(companies().values())).domain)
        await session.call("enrich_company", domain="nobody.example")

    assert heard.credits("company") == {"reserved": 2, "charged": 1, "refunded": 1}


async def test_refusals_of_the_api_and_of_the_rules_are_told_apart(world: World, heard: Heard) -> None:
    async with world.connect(daily_limit=0) as session:
        await session.error("enrich_person", **ADA)
    world.transport = Answering(world.transport, "/credits/balance", httpx.Response(429))
    async with world.connect(max_wait_seconds=0) as session:
        await session.error("credits_balance")

    assert heard.times[(CLAIMS.name, "refused")] == 1
    assert heard.times[(API_SECONDS.name, "GET", "429")] >= 1


def test_figures_are_named_as_opentelemetry_names_them_and_nobody_need_listen() -> None:
    assert all(figure.name.startswith("cleanlist.") and figure.about.endswith(".") for figure in FIGURES)
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)
    CREDITS.add(1, state="charged", kind="person")
