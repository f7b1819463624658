"""The card in a browser: Chromium and the official AppBridge around it, the real server and the sandbox behind it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cleanlist_mcp.sandbox.serve import running
from cleanlist_mcp.sandbox.state import Sandbox
from tests.card_hosts import Card, CardHost, Tools, card_host, installed, missing
from tests.card_states import QUOTE, answering, leads, show, states

pytestmark = [pytest.mark.long, pytest.mark.npm]

CHAT = "Say yes or no in the chat."
APPROVE = "Approve 12 credits"
Data = dict[str, Any]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    if missing():
        pytest.skip(f"{missing()} is missing")
    return installed(tmp_path_factory.mktemp("host"))


class Place:
    """A host with a server on its own state folder, and the API that it talks to."""

    def __init__(self, host: CardHost, sandbox: Sandbox) -> None:
        self.host, self.sandbox = host, sandbox

    @property
    def starts(self) -> int:
        """The number of list runs that the API was asked to start."""
        return sum(one.path.endswith("/enrichment/bulk") for one in self.sandbox.requests)

    async def quote(self, name: str = "Q3 Prospects", **wishes: Any) -> Data:
        return await self.host.model("estimate", list_id=name, **wishes)

    async def model_spends(self, quote: Data) -> Data:
        """Spend the quote by the model's own call, and return the answer."""
        about = quote["structuredContent"]
        spend = {name: about[name] for name in ("list_id", "scope", "quote_id")}
        answer: Data = (await self.host.model("enrich_list", **spend, wait_seconds=0))["structuredContent"]
        return answer


@asynccontextmanager
async def place(
    tools: Tools, folder: Path, *, elicitation: bool = False, latency: float = 0.2, **changes: str
) -> AsyncIterator[Place]:
    sandbox = Sandbox(rate_limits=False, latency=latency)
    async with running(sandbox) as base_url:
        environment = {
            "CLEANLIST_BASE_URL": base_url,
            "CLEANLIST_API_KEY": sandbox.key,
            "CLEANLIST_STATE_DIR": str(folder),
        } | {f"CLEANLIST_{name.upper()}": value for name, value in changes.items()}
        async with card_host(tools, environment, elicitation=elicitation) as host:
            yield Place(host, sandbox)


async def assert_quiet(card: Card) -> None:
    """Nothing was asked of a network, and the browser has nothing to complain of."""
    assert (await card.facts())["problems"] == []


def error(code: str, message: str, **more: Any) -> Data:
    body = {"error": {"code": code, "message": message, "charged": "no", "retryable": False} | more}
    return {"isError": True, "content": [{"type": "text", "text": "Error: " + json.dumps(body)}]}


async def test_the_figures_are_the_quotes_and_one_click_starts_one_run_to_its_end(
    tools: Tools, tmp_path: Path
) -> None:
    async with place(tools, tmp_path) as here:
        quote = await here.quote()
        about = quote["structuredContent"]
        card = await here.host.card(quote, context={"locale": "de-DE"})
        shown = (await card.text(APPROVE)).split("\n")
        waiting = await here.model_spends(quote)
        assert here.starts == 0
        await card.press(APPROVE)
        ended = await card.text("Completed")
        repeat = await here.model_spends(quote)
        await card.press("Show the people")
        people = await card.text("Ada Okonkwo")
        facts = await card.facts()

    for figure in ("Q3 Prospects", "12 credits at most", "5.000", "4.988", "e-mail address"):
        assert figure in shown
    assert (about["estimated_cost"], about["balance_after"]) == (12, 4988)
    assert waiting["status"] == "awaiting_approval"
    assert "10 credits" in ended and "2 credits" in ended
    assert repeat["replayed"] and here.starts == 1
    assert "12 rows" in people
    assert set(facts["called"]) == {"card_shown", "approve_quote", "workflow_status", "get_leads"}
    (told,) = facts["told"]
    assert repeat["workflow_id"] in told
    assert not any(word in told for word in ("approved", "person", "user", "Prospects"))
    assert facts["problems"] == []


async def test_two_clicks_and_two_cards_start_one_run(tools: Tools, tmp_path: Path) -> None:
    async with place(tools, tmp_path) as here:
        quote = await here.quote()
        one, other = await here.host.card(quote), await here.host.card(quote)
        await one.text(APPROVE)
        await other.text(APPROVE)
        await one.press(APPROVE, times=2)
        await one.text("Completed")
        await other.press(APPROVE)
        late = await other.text("started before")
        third = await here.host.card(quote)
        used = await third.text("Completed")
        assert await third.count(APPROVE) == 0

    assert here.starts == 1
    assert "10 credits" in used and "Run" in late


async def test_a_click_after_the_models_own_call_shows_the_run_that_is_there(
    tools: Tools, tmp_path: Path
) -> None:
    async with place(tools, tmp_path, confirm="never") as here:
        quote = await here.quote()
        card = await here.host.card(quote)
        await card.text(APPROVE)
        assert (await here.model_spends(quote))["workflow_id"]
        await card.press(APPROVE)
        await card.text("started before")

    assert here.starts == 1


async def test_a_lost_answer_is_no_second_start_and_the_card_says_what_happened(
    tools: Tools, tmp_path: Path
) -> None:
    async with place(tools, tmp_path) as here:
        quote = await here.quote()
        lost = await here.host.card(quote, faults=[{"tool": "approve_quote", "what": "lost"}], clock=True)
        await lost.text(APPROVE)
        await lost.press(APPROVE)
        await lost.text("Starting")
        while here.starts == 0:
            await lost.text("Starting")
        await lost.ask("run", seconds=61)
        assert "may have started" in await lost.text("No clear answer")
        assert await lost.count(APPROVE) == 0
        await lost.press("Check again")
        await lost.text("Completed")
        other = await here.quote("Conference Leads")
        refused = await here.host.card(other, faults=[{"tool": "approve_quote", "what": "refused"}])
        await refused.text("Approve 40 credits")
        await refused.press("Approve 40 credits")
        await refused.text("No clear answer")
        assert here.starts == 1
        await refused.press("Check again")
        await refused.text("Approve 40 credits")  # it never reached the server, which says so
        await refused.press("Approve 40 credits")
        await refused.text("Completed")

    assert here.starts == 2


async def test_the_card_goes_by_the_servers_seconds_and_wakes_from_a_sleep_expired(
    tools: Tools, tmp_path: Path
) -> None:
    state = {"summary": "", "quote_id": "qte_1", "used": False, "expires_in_seconds": 200}
    good = answering("card_shown", state) | {"times": 1}
    late = answering("card_shown", state | {"expires_in_seconds": 0})
    async with place(tools, tmp_path) as here:
        quote = await here.quote()
        card = await here.host.card(quote, faults=[good, late], clock=True)
        assert "3:2" in await card.text("left")
        await card.evaluate("Date.now = () => 0")  # somebody sets the machine's clock back
        await card.ask("run", seconds=20)
        assert "3:0" in await card.text("left") or "2:5" in await card.text("left")
        await card.ask("sleep", seconds=3600)
        await card.text("This quote has expired; nothing was sent.")
        assert await card.count(APPROVE) == 0
        assert "approve_quote" not in (await card.facts())["called"]
        refusal = error("quote_expired", "The quote expired.")
        stale = await here.host.card(
            quote, faults=[{"tool": "approve_quote", "what": "answer", "result": refusal}]
        )
        await stale.text(APPROVE)
        await stale.press(APPROVE)
        await stale.text("This quote has expired; nothing was sent.")

    assert here.starts == 0


async def test_not_now_sends_nothing_and_is_told_to_the_model(tools: Tools, tmp_path: Path) -> None:
    async with place(tools, tmp_path) as here:
        quote = await here.quote()
        card = await here.host.card(quote)
        await card.text(APPROVE)
        await card.press("Not now")
        await card.text("Nothing was sent.")
        (told,) = (await card.facts())["told"]
        assert (await here.model_spends(quote))["status"] == "awaiting_approval"
        await card.press("Back to the quote")
        await card.text(APPROVE)

    assert quote["structuredContent"]["quote_id"] in told and "do not spend" in told
    assert here.starts == 0


async def test_the_keyboard_alone_is_enough_and_a_script_is_not(tools: Tools, tmp_path: Path) -> None:
    async with place(tools, tmp_path) as here:
        card = await here.host.card(await here.quote())
        await card.text(APPROVE)
        for _ in range(3):
            await card.evaluate("document.querySelector('button.main').click()")
        assert "approve_quote" not in (await card.facts())["called"]
        await card.ask("key", key="Tab")
        await card.ask("key", key="Tab")
        assert await card.evaluate("document.activeElement.textContent") == "Not now"
        ring = await card.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        await card.ask("key", key="Shift+Tab")
        await card.ask("key", key="Enter")
        await card.text("Completed")
        assert await card.evaluate("document.activeElement.tagName") != "BODY"

    assert ring == "solid" and here.starts == 1


FAULTS: dict[str, Data] = {
    "no proof": {"drop": "_meta"},
    "no calls": {"capabilities": {"serverTools": None}},
    "an error": {"faults": [{"tool": "card_shown", "what": "refused", "times": 9}]},
    "another key": {
        "faults": [answering("card_shown", {}) | {"result": error("confirmation_unavailable", "No.")}]
    },
    "never an answer": {"mute": True},
}


async def test_a_host_that_gives_less_shows_the_figures_and_no_dead_button(
    tools: Tools, tmp_path: Path
) -> None:
    async with place(tools, tmp_path) as here:
        for name, fault in FAULTS.items():
            quote = await here.quote()
            if "drop" in fault:
                del quote["_meta"]
            card = await here.host.card(
                quote, **{key: value for key, value in fault.items() if key != "drop"}
            )
            shown = await card.text(CHAT)
            assert "12 credits at most" in shown and "4,988" in shown, name
            assert await card.count() == 0, name
            await card.ask("close")
        silent = await here.host.card(
            await here.quote(), clock=True, faults=[{"tool": "card_shown", "what": "silent", "times": 9}]
        )
        await silent.text("Checking that this quote is still good")
        await silent.ask("run", seconds=21)
        await silent.text(CHAT)
        assert await silent.count() == 0
        quote = await here.quote()
        run = await here.model_spends(quote)  # no card has reported: the quote alone decides
        deaf = await here.host.card(
            await here.quote("Conference Leads"), capabilities={"updateModelContext": None}
        )
        await deaf.text("Approve 40 credits")
        await deaf.press("Approve 40 credits")
        await deaf.text("Completed")

    assert run["workflow_id"] and here.starts == 2


async def test_a_client_whose_model_forged_an_approval_gets_cards_without_buttons(
    tools: Tools, tmp_path: Path
) -> None:
    async with place(tools, tmp_path) as here:
        about = (await here.quote())["structuredContent"]
        spend = {name: about[name] for name in ("list_id", "scope", "quote_id")}
        refused = await here.host.model("approve_quote", **spend, max_credits=12, approval="yes, approved")
        card = await here.host.card(await here.quote())
        await card.text(CHAT)
        assert await card.count() == 0

    assert "approve_quote" in here.host.started["tools"]  # a naive host shows it to its model
    assert refused["isError"] and here.starts == 0


async def test_names_from_outside_are_text_and_what_is_invisible_is_shown(
    tools: Tools, tmp_path: Path
) -> None:
    evil = "<img src=x onerror=alert(1)>\u202eevil\u202c\u200b"
    async with place(tools, tmp_path) as here:
        card = await here.host.card(
            {
                "content": [],
                "structuredContent": leads([{"name": evil, "company": "x" * 300}, {"name": "محمد"}]),
            }
        )
        shown = await card.text("U+202E")
        made = await card.evaluate("document.querySelectorAll('img').length")
        wide = await card.evaluate("document.documentElement.scrollWidth - innerWidth")
        directions = await card.evaluate(
            "[...document.querySelectorAll('td bdi')].every(one => one.dir !== 'ltr')"
        )
        await assert_quiet(card)

    assert "<img src=x onerror=alert(1)>" in shown and "U+200B" in shown and "\u202e" not in shown
    assert made == 0 and wide <= 0 and directions


async def test_people_are_sorted_filtered_copied_and_put_into_a_list(tools: Tools, tmp_path: Path) -> None:
    async with place(tools, tmp_path) as here:
        found = await here.host.model("search_people", management_levels=["VP"], limit=8)
        rows = found["structuredContent"]["people"]
        card = await here.host.card(found)
        await card.text(rows[0]["name"])
        first = "document.querySelector('tbody tr td:nth-child(2)').innerText"
        await card.press("Name")
        assert await card.evaluate(first) == min(row["name"] for row in rows)
        await card.press("Name ↑")
        assert await card.evaluate(first) == max(row["name"] for row in rows)
        await card.evaluate(
            "document.addEventListener('copy', () => (window.copied = document.activeElement.value)) || 1"
        )
        await card.press("Copy the column Company")
        await card.text("8 values copied.")
        copied = (await card.evaluate("window.copied")).split("\n")
        assert sorted(copied) == sorted(row["company"] for row in rows)
        await card.ask("fill", name="Filter the rows", value=rows[3]["name"].upper(), role="searchbox")
        assert "1 of " in await card.text(rows[3]["name"])
        await card.press("Tick " + rows[3]["name"], role="checkbox")
        assert await card.count("Add 1 to list") == 1
        await card.ask("fill", name="Name of the list", value="From the card")
        await card.press("Add 1 to list")
        await card.text("From the card")
        listed = await here.host.model("get_leads", list_id="From the card")
        (told,) = (await card.facts())["told"]

    assert [row["name"] for row in listed["structuredContent"]["leads"]] == [rows[3]["name"]]
    assert found["structuredContent"]["search_id"] in told and rows[3]["name"] not in told
    assert here.starts == 0


async def test_spending_can_be_looked_at_by_day_and_by_list(tools: Tools, tmp_path: Path) -> None:
    async with place(tools, tmp_path, daily_limit="500") as here:
        await here.model_spends(await here.quote())
        await here.host.model("workflow_status", wait_seconds=5)
        card = await here.host.card(await here.host.model("credits_balance"), input={})
        await card.text("490 left")
        await card.press("By list")
        await card.text("Q3 Prospects")
        await card.press("By day")
        await card.text("By day (UTC)")
        bars = await card.evaluate("document.querySelectorAll('.plot div').length")
        await assert_quiet(card)

    assert bars == 30


async def test_every_state_is_accessible_quiet_and_fits_320_pixels(tools: Tools) -> None:
    async with card_host(tools, {"CLEANLIST_SANDBOX": "true"}) as host:
        for theme in ("light", "dark"):
            card = await host.card(None, context={"theme": theme})
            for state in states():
                await show(card, state)
                assert (await card.ask("axe"))["violations"] == [], (theme, state.name)
                await card.ask("look", width=320)
                wide = await card.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, (theme, state.name)
                await card.ask("look", width=720)
            await assert_quiet(card)


SCALES = {
    "one big day beside many small ones": ([4, 6, 5, 640, 22, 7, 9], 25, 25, 1),
    "one day": ([31], 31, 31, 0),
    "even days": ([10, 20, 30, 40], 40, 40, 0),
    "small and large alike": ([1, 2, 4, 8, 16, 32, 64], 64, 64, 0),
    "two days far apart": ([5, 5000], 5, 6, 1),
}


async def test_no_day_flattens_the_others(tools: Tools) -> None:
    async with card_host(tools, {"CLEANLIST_SANDBOX": "true"}) as host:
        card = await host.card(None)
        for name, (amounts, least, most, cut) in SCALES.items():
            end = await card.evaluate(f"scale({json.dumps(amounts)})")
            assert least <= end <= most + 1, name
            assert sum(amount > end for amount in amounts) == cut, name
        assert await card.evaluate("scale([])") == 1


async def test_the_page_has_what_the_extension_allows_it_and_no_more(tools: Tools) -> None:
    async with card_host(tools, {"CLEANLIST_SANDBOX": "true"}) as host:
        card = await host.card({"content": [], "structuredContent": QUOTE})
        await card.text(CHAT)
        assert host.started["bytes"] <= 24_000
        blocked = await card.evaluate("fetch('https://api.example/').then(() => 'sent', () => 'blocked')")
        assert blocked == "blocked"
