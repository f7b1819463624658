"""Cards, the server's half: who gets them, whose button counts, and what a forged approval leads to."""

import json
import re
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, ElicitRequestParams, ElicitResult

from cleanlist_mcp.calls.cards import APPROVAL
from cleanlist_mcp.journal.records import BAN_SECONDS
from cleanlist_mcp.money.approvals import ProofKey, Spend, judge
from cleanlist_mcp.server import cards
from cleanlist_mcp.server.declared import CARD_TYPE, CARD_URI, CARDS, Declared
from cleanlist_mcp.settings import Settings
from cleanlist_mcp.toolset import CARD_TOOLS, TOOLS
from tests.journals import at_once
from tests.support import ERAS, Session, World, said

CARD_ONLY = [spec.name for spec in CARD_TOOLS]


class Yes:
    """A client's dialog that says yes and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        self.asked += 1
        return ElicitResult(action="accept", content={"approve": True})


class Quoted:
    """A quote as a card has it: what spends it, and its proof."""

    def __init__(self, result: CallToolResult) -> None:
        answer = result.structured_content or {}
        self.answer = answer
        self.spend = {name: answer[name] for name in ("list_id", "scope", "quote_id")}
        self.proof: str | None = (result.meta or {}).get(APPROVAL)

    @property
    def click(self) -> dict[str, Any]:
        """The arguments with which the card's button calls `approve_quote`."""
        return {**self.spend, "max_credits": self.answer["estimated_cost"], "approval": self.proof or ""}

    @property
    def shown(self) -> dict[str, Any]:
        return {"quote_id": self.spend["quote_id"], "approval": self.proof or ""}


async def quoted(session: Session, name: str = "Q3 Prospects", **wishes: Any) -> Quoted:
    return Quoted(await session.result("estimate", list_id=name, **wishes))


def starts(world: World) -> int:
    """Count the list runs that the API was asked to start."""
    return world.posts("/enrichment/bulk")


# ---- who gets cards


async def wire(world: World, era: str, **options: Any) -> dict[str, Any]:
    """All that a client is told before its first call, as it goes over the wire."""
    async with world.connect(era, **options) as session:
        client = session.client
        told = [
            await client.list_tools(),
            await client.list_resources(),
            await client.list_resource_templates(),
        ]
        capabilities = client.server_capabilities.model_dump(mode="json", by_alias=True, exclude_none=True)
        estimate = await session.result("estimate", list_id="Q3 Prospects")
        plain = [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in told]
        return {"told": plain, "capabilities": capabilities, "beside": estimate.meta or {}}


async def test_a_client_that_shows_no_cards_sees_nothing_of_them(world: World, era: str) -> None:
    plain = await wire(world, era)
    switched_off = await wire(world, era, cards=True, cards_setting="never")

    assert "ui" not in json.dumps(plain["told"]).replace("require", "").split('"')
    assert "extensions" not in plain["capabilities"]
    assert APPROVAL not in plain["beside"]
    assert [plain["told"], plain["capabilities"]] == [switched_off["told"], switched_off["capabilities"]]
    assert APPROVAL not in switched_off["beside"]


async def test_a_client_that_shows_cards_is_told_of_the_page_and_the_buttons(world: World, era: str) -> None:
    plain, shows = await wire(world, era), await wire(world, era, cards=True)

    assert shows["capabilities"]["extensions"] == {CARDS: {}}
    (before, after) = (told["told"][0]["tools"] for told in (plain, shows))
    assert [tool["name"] for tool in after] == [*(tool["name"] for tool in before), *CARD_ONLY]
    for tool in after:
        ui = tool.pop("_meta", {}).get("ui")
        if tool["name"] in CARD_ONLY:
            assert ui == {"visibility": ["app"]}
        else:
            assert ui == ({"resourceUri": CARD_URI} if tool["name"] in cards.SHOWN else None)
    assert after[: len(before)] == before
    (before, after) = (told["told"][1]["resources"] for told in (plain, shows))
    assert after[:-1] == before and after[-1]["uri"] == CARD_URI
    assert after[-1]["mimeType"] == CARD_TYPE
    assert re.fullmatch(r"p1\.[0-9a-f]{8}\.\d+\.[0-9a-f]{64}", shows["beside"][APPROVAL])


@pytest.mark.parametrize(
    "settings", [None, {}, {"mimeTypes": ["text/html"]}, {"mimeTypes": CARD_TYPE}, "yes"]
)
def test_only_a_client_that_names_our_kind_of_page_shows_cards(settings: Any) -> None:
    assert not Declared("client", {} if settings is None else {CARDS: settings}).shows_cards
    assert Declared("client", {CARDS: {"mimeTypes": ["text/x", CARD_TYPE]}}).shows_cards


async def test_the_page_is_read_by_clients_that_show_cards_alone(world: World, era: str) -> None:
    async with world.connect(era, cards=True) as session:
        (page,) = (await session.client.read_resource(CARD_URI)).contents
    async with world.connect(era) as session:
        with pytest.raises(MCPError) as hidden:
            await session.client.read_resource(CARD_URI)
        with pytest.raises(MCPError) as unknown:
            await session.client.read_resource("ui://cleanlist/other")

    written = Path(cards.__file__).with_name("card.html").read_text("utf-8")
    assert page.text == written and page.mime_type == CARD_TYPE  # type: ignore[union-attr]
    assert page.meta == {"ui": {"prefersBorder": True}}
    assert str(hidden.value).replace("card", "other") == str(unknown.value)


async def test_the_tools_of_the_card_are_unknown_to_all_others(world: World, era: str) -> None:
    async with world.connect(era) as session:
        quote = await quoted(session)
        for name in (*CARD_ONLY, "no_such_tool"):
            with pytest.raises(MCPError) as refused:
                await session.client.call_tool(name, quote.click)
            assert str(refused.value) == "Unknown tool; tools/list names the ones there are."

    assert starts(world) == 0


async def test_a_read_only_server_has_cards_without_buttons(world: World, era: str) -> None:
    async with world.connect(era, cards=True, read_only=True) as session:
        names = [tool.name for tool in (await session.client.list_tools()).tools]
        quote = await quoted(session)

    assert names == [spec.name for spec in TOOLS if spec.effect == "reads"]
    assert quote.proof is None and quote.answer["quote_id"]


async def test_what_the_card_needs_is_the_same_in_both_eras(world: World) -> None:
    told = [(await wire(world, era, cards=True))["told"][0]["tools"] for era in ERAS]

    assert told[0] == told[1]
    for tool in told[0][-2:]:
        assert 80 <= len(tool["description"]) <= 1024
        assert set(tool["annotations"]) >= {"readOnlyHint", "destructiveHint", "idempotentHint"}


# ---- the button


async def test_the_button_starts_the_run_of_its_quote_and_the_models_call_then_finds_it(
    world: World, era: str
) -> None:
    async with world.connect(era, cards=True) as session:
        quote = await quoted(session)
        state = await session.call("card_shown", **quote.shown)
        run = await session.call("approve_quote", **quote.click)
        again = await session.call("approve_quote", **quote.click)
        models = await session.call("enrich_list", **quote.spend)
        after = await session.call("card_shown", **quote.shown)

    assert 290 <= state["expires_in_seconds"] <= 300 and not state["used"]
    assert run["replayed"] is False and run["credits"]["quoted"] == quote.answer["estimated_cost"]
    assert again["replayed"] is models["replayed"] is True
    assert {run["workflow_id"], again["workflow_id"], models["workflow_id"]} == {after["workflow_id"]}
    assert after["used"] and after["expires_in_seconds"] == 0
    assert starts(world) == 1


async def test_a_proof_stands_beside_the_answer_and_nowhere_in_it(world: World, era: str) -> None:
    async with world.connect(era, cards=True) as session:
        result = await session.result("estimate", list_id="Q3 Prospects", colour="blue")
        run = await session.result("approve_quote", **Quoted(result).click)

    proof = Quoted(result).proof
    assert proof
    for answer in (result, run):
        assert proof not in json.dumps([answer.structured_content, [str(one) for one in answer.content]])
    assert not any(value in proof for value in (*Quoted(result).spend.values(), "Prospects"))


@pytest.mark.parametrize("wishes", [{"people_count": 3}, {"list_id": "Q3 Prospects", "max_credits": 0}])
async def test_what_cannot_be_spent_has_no_proof(world: World, wishes: dict[str, Any]) -> None:
    poor = world.sandbox.add_account("poor", credits=5)
    world.sandbox.add_list("Q3 Prospects", 12, key=poor)
    async with world.connect(cards=True, api_key=poor) as session:
        assert APPROVAL not in ((await session.result("estimate", **wishes)).meta or {})
        assert (await quoted(session)).proof is None  # 12 rows for 5 credits


async def test_a_quote_that_has_expired_is_refused_and_that_is_no_evidence(world: World) -> None:
    async with world.connect(cards=True) as session:
        quote = await quoted(session)
        world.clock.now += 400
        state = await session.call("card_shown", **quote.shown)
        error = await session.error("approve_quote", **quote.click)
        fresh = await quoted(session)

    assert state["expires_in_seconds"] == 0 and not state["used"]
    assert error["code"] == "quote_expired" and error["charged"] == "no"
    assert fresh.proof and starts(world) == 0


async def test_a_lost_answer_of_the_api_is_reported_as_unknown_and_the_next_click_clears_it_up(
    world: World,
) -> None:
    async with world.connect(cards=True) as session:
        quote = await quoted(session)
        world.sandbox.faults.next("POST /enrichment/bulk", "reset_after", times=2)
        error = await session.error("approve_quote", **quote.click)
        after = await session.call("card_shown", **quote.shown)

    assert error["code"] == "outcome_unknown" and error["charged"] == "unknown"
    assert after["used"] and "workflow_id" not in after
    assert len(world.sandbox.runs) == 1


# ---- who is asked


@pytest.mark.parametrize("confirm", ["auto", "always", "never"])
@pytest.mark.parametrize("forms", [False, True])
@pytest.mark.parametrize("shown", ["no cards", "not shown", "shown"])
async def test_each_way_of_asking_asks_once_at_most(
    world: World, era: str, confirm: Literal["auto", "always", "never"], forms: bool, shown: str
) -> None:
    dialog = Yes()
    async with world.connect(
        era, dialog if forms else None, cards=shown != "no cards", confirm=confirm
    ) as session:
        quote = await quoted(session)
        assert (quote.proof is not None) == (shown != "no cards" and confirm != "always")
        if shown == "shown" and confirm != "always":
            await session.call("card_shown", **quote.shown)
        said_then = said(await session.result("enrich_list", **quote.spend))

    waits = confirm == "auto" and not forms and shown == "shown"
    refused = confirm == "always" and not forms
    assert said_then.get("code") == ("confirmation_unavailable" if refused else None)
    assert (said_then.get("status") == "awaiting_approval") == waits
    assert dialog.asked == int(forms and confirm != "never")
    assert starts(world) == int(not waits and not refused)


async def test_while_the_card_is_awaited_nothing_is_sent_and_the_way_out_is_named(
    world: World, era: str
) -> None:
    async with world.connect(era, cards=True) as session:
        quote = await quoted(session)
        await session.call("card_shown", **quote.shown)
        waiting = await session.call("enrich_list", **quote.spend)
        assert starts(world) == 0
        await session.call("approve_quote", **quote.click)
        run = await session.call("enrich_list", **quote.spend)
    async with world.connect(era, cards=True, cards_setting="never") as session:
        other = await quoted(session, "Conference Leads")
        assert (await session.call("enrich_list", **other.spend))["workflow_id"]

    assert waiting["status"] == "awaiting_approval" and "workflow_id" not in waiting
    assert waiting["credits"] == {"reserved": 0, "charged": 0, "quoted": quote.answer["estimated_cost"]}
    assert "CLEANLIST_CARDS=never" in waiting["next_step"]
    assert run["workflow_id"] and run["replayed"]


async def test_only_the_quote_that_a_card_has_shown_waits_for_it(world: World) -> None:
    async with world.connect(cards=True) as session:
        first, second = await quoted(session), await quoted(session)
        await session.call("card_shown", **first.shown)
        run = await session.call("enrich_list", **second.spend)

    assert run["workflow_id"]


async def test_a_form_asks_in_enrich_list_and_the_button_asks_nobody_again(world: World, era: str) -> None:
    dialog = Yes()
    async with world.connect(era, dialog, cards=True) as session:
        quote = await quoted(session)
        await session.call("card_shown", **quote.shown)
        await session.call("approve_quote", **quote.click)
        await session.call("enrich_list", **quote.spend)

    assert dialog.asked == 0 and starts(world) == 1


async def test_always_never_accepts_a_card(world: World, era: str) -> None:
    async with world.connect(era, cards=True) as session:
        quote = await quoted(session)
    async with world.connect(era, Yes(), cards=True, confirm="always") as session:
        error = await session.error("approve_quote", **quote.click)

    assert error["code"] == "confirmation_unavailable"
    assert starts(world) == 0


# ---- forged approvals


async def test_a_client_that_forged_an_approval_gets_no_more_also_after_a_restart(
    world: World, era: str
) -> None:
    async with world.connect(era, cards=True, name="Naive Host") as session:
        quote = await quoted(session)
        error = await session.error("approve_quote", **(quote.click | {"approval": "yes"}))
        assert (await quoted(session)).proof is None
    async with world.connect(era, cards=True, name="naive host") as session:
        fresh = await quoted(session)
        run = await session.call("enrich_list", **fresh.spend)
    async with world.connect(era, cards=True, name="Another") as session:
        assert (await quoted(session, "Conference Leads")).proof
    world.clock.now += BAN_SECONDS
    async with world.connect(era, cards=True, name="Naive Host") as session:
        assert (await quoted(session, "Conference Leads")).proof

    assert error["code"] == "confirmation_unavailable" and error["charged"] == "no"
    assert fresh.proof is None and run["workflow_id"]  # the quote decides, as without cards


async def test_the_card_of_a_banned_client_still_works_so_that_a_ban_opens_no_way_around_it(
    world: World,
) -> None:
    async with world.connect(cards=True) as session:
        quote = await quoted(session)
        await session.call("card_shown", **quote.shown)
        await session.error("approve_quote", **(quote.click | {"approval": "p1.x"}))
        waiting = await session.call("enrich_list", **quote.spend)
        run = await session.call("approve_quote", **quote.click)

    assert waiting["status"] == "awaiting_approval" and run["workflow_id"]


@pytest.mark.parametrize("tool", CARD_ONLY)
async def test_an_approval_that_is_missing_or_of_another_key_is_no_evidence(world: World, tool: str) -> None:
    async with world.connect(cards=True) as session:
        quote = await quoted(session)
        given = {"approve_quote": quote.click, "card_shown": quote.shown}[tool]
        foreign = ProofKey(b"another installation's", "account").proof(
            Spend(quote.spend["list_id"], "partial", quote.spend["quote_id"], 12), 2e9
        )
        for approval in ("", "  ", foreign):
            error = await session.error(tool, **(given | {"approval": approval}))
            assert error["code"] == "confirmation_unavailable"
        assert (await quoted(session)).proof
        await session.error(tool, **(given | {"approval": f"{quote.proof}0"}))
        assert (await quoted(session)).proof is None

    assert starts(world) == 0


async def test_another_keys_card_is_foreign_and_not_forged(world: World) -> None:
    other = world.sandbox.add_account("colleague")
    world.sandbox.add_list("Mine", 2, key=other)
    async with world.connect(cards=True) as session:
        quote = await quoted(session)
    async with world.connect(cards=True, api_key=other) as session:
        error = await session.error("approve_quote", **quote.click)
        mine = await session.result("estimate", list_id="Mine")

    assert error["code"] == "confirmation_unavailable"
    assert Quoted(mine).proof and starts(world) == 0


# ---- no sequence without the proof

_ALTERED = (
    "approval",
    "list_id",
    "scope",
    "quote_id",
    "max_credits",
    "none",
    "cut",
    "expired",
    "foreign key",
)


def altered(what: str, quotes: list[Quoted], place: int) -> dict[str, Any]:
    """The call of one quote's button with something of it wrong."""
    quote, other = quotes[place % 2], quotes[(place + 1) % 2]
    wrong: dict[str, dict[str, Any]] = {
        "approval": {"approval": other.proof},
        "list_id": {"list_id": other.spend["list_id"]},
        "scope": {"scope": "full"},
        "quote_id": {"quote_id": other.spend["quote_id"]},
        "max_credits": {"max_credits": quote.answer["estimated_cost"] + 1},
        "none": {"approval": ""},
        "cut": {"approval": (quote.proof or "")[: 10 + place]},
        "expired": {"approval": re.sub(r"\.\d+\.", ".9999999999.", quote.proof or "")},
        "foreign key": {"approval": re.sub(r"p1\.[0-9a-f]{8}", "p1.00000000", quote.proof or "")},
    }
    return quote.click | wrong[what]


@given(st.lists(st.tuples(st.sampled_from(_ALTERED), st.integers(0, 60)), min_size=1, max_size=8))
def test_no_sequence_of_calls_without_the_proof_starts_a_run(
    tmp_path_factory: Any, calls: list[tuple[str, int]]
) -> None:
    async def play() -> None:
        world = World(tmp_path_factory.mktemp("state"), rate_limits=False)
        async with world.connect(cards=True) as session:
            quotes = [await quoted(session), await quoted(session, "Conference Leads")]
            for what, place in calls:
                error = await session.error("approve_quote", **altered(what, quotes, place))
                assert error["code"] == "confirmation_unavailable", what
            assert starts(world) == 0 and world.sandbox.runs == []

    at_once(play())


@given(st.text(max_size=120), st.integers(0, 2**34))
def test_no_text_that_was_not_made_with_the_key_is_good(text: str, now: int) -> None:
    key = ProofKey(b"secret", "account")
    spend = Spend("list_1", "partial", "qte_1", 12)

    assert judge(text, spend, [key], now) in ("missing", "forged", "foreign")
    proof = key.proof(spend, now)
    assert judge(proof, spend, [ProofKey(b"newer", "account"), key], now) == "good"
    assert judge(proof, spend, [key], now + 7) == "expired"
    assert judge(proof, spend, [ProofKey(b"newer", "account")], now) == "foreign"
    assert judge(proof, spend, [ProofKey(b"secret", "other")], now) == "foreign"


def test_proofs_show_nothing_of_what_they_are_for() -> None:
    proof = ProofKey(b"secret", "account").proof(Spend("list_1", "partial", "qte_1", 12), 1000.2)

    assert re.fullmatch(r"p1\.[0-9a-f]{8}\.1001\.[0-9a-f]{64}", proof)


# ---- the page, as far as it can be judged without a browser


@pytest.fixture
def page() -> str:
    return cards.page()


def test_the_page_is_small_and_stands_alone(page: str) -> None:
    assert len(page.encode()) <= 24_000
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
        "import(",
    ):
        assert word not in page, word
    for word in ("localStorage", "sessionStorage", "indexedDB", "cookie", "fetch(", "XMLHttp", "WebSocket"):
        assert word not in page, word
    addresses = set(re.findall(r"\w+://[^\s'\"`)]*", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_cards_are_a_setting() -> None:
    assert Settings.from_environment({}).cards == "auto"
    assert Settings.from_environment({"CLEANLIST_CARDS": "Never"}).cards == "never"
