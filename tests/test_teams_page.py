"""docs/teams.md, held against the code: its figures, its commands, its settings."""

import re

import pytest

from cleanlist_mcp import accounts
from cleanlist_mcp.accounts import IDLE_SECONDS, MOST_ACCOUNTS
from cleanlist_mcp.journal.records import KEEP_SECONDS
from cleanlist_mcp.money.picking import TRIED_SECONDS
from cleanlist_mcp.server.boundary import CALL_SECONDS
from cleanlist_mcp.server.http.door import BODY_SECONDS, MOST_BODY
from cleanlist_mcp.server.http.guard import MOST_IN_FLIGHT
from cleanlist_mcp.server.http.narrowing import ONLY_TOOLSETS, READ_ONLY
from cleanlist_mcp.server.http.protocol import WRITE_SECONDS
from cleanlist_mcp.server.http.serve import END_SECONDS, NOTICE_SECONDS, PORT, SPENDS_SECONDS
from cleanlist_mcp.server.http.signed_in import WELL_KNOWN
from cleanlist_mcp.server.http.watch import SHOWN_DIGEST, Seen
from cleanlist_mcp.services import MAX_CALLS, MAX_WAITING_CALLS
from cleanlist_mcp.signin.issuer import APART_SECONDS, LOOK_AGAIN_SECONDS, TRUSTED_SECONDS
from cleanlist_mcp.signin.signing_keys import FAMILIES
from cleanlist_mcp.signin.tokens import LEEWAY_SECONDS
from tests.test_deployment import NGINX
from tests.test_readme import ROOT

PAGE = (ROOT / "docs" / "teams.md").read_text("utf-8")

FIGURES = {
    "accounts": f"{MOST_ACCOUNTS:,}; idle ones leave after {IDLE_SECONDS / 60:.0f} minutes",
    "calls at once": f"{MAX_CALLS}, and {MAX_WAITING_CALLS} that wait for runs",
    "requests at once": f"| {MOST_IN_FLIGHT:,}; more get 503",
    "answers not taken": f"is cut off after {WRITE_SECONDS:.0f} s",
    "tried before": f"tried in the last {TRIED_SECONDS / 86_400:.0f} days is quoted again",
    "kept": f"takes step 3 after {KEEP_SECONDS / 86_400:.0f} days",
    "a call's time": f"a call takes up to {CALL_SECONDS:.0f} s",
    "bodies": f"cut bodies over {MOST_BODY // 1024 // 1024} MiB",
    "slow bodies": f"heads and bodies that dribble, after {BODY_SECONDS:.0f} s",
    "unknown keys": f"share the {accounts.TRIES} unknown keys",
    "the end": f"It is over within {END_SECONDS + 1:.0f} seconds",
    "the last spend": f"later than {SPENDS_SECONDS:.0f} seconds after the signal",
    "the notice": f"{'two' if NOTICE_SECONDS == 2 else '?'} seconds later no new connection is taken",
    "the port": f"`http://127.0.0.1:{PORT}/mcp`",
    "algorithms": "RS256, ES256 or EdDSA" if list(FAMILIES) == ["RS256", "ES256", "EdDSA"] else "?",
    "clocks": f"clocks may differ by {LEEWAY_SECONDS:.0f} s",
    "keys again": f"fetched again every {LOOK_AGAIN_SECONDS / 60:.0f} minutes",
    "unknown key": "at most once a minute" if APART_SECONDS == 60 else "?",
    "known keys": "known keys are good for a day" if TRUSTED_SECONDS == 86_400 else "?",
    "read-only": f"`{READ_ONLY}: true`",
    "toolsets": f"`{ONLY_TOOLSETS}: core`",
    "metadata": f"`{WELL_KNOWN}/mcp`",
}


@pytest.mark.parametrize("words", FIGURES.values(), ids=FIGURES)
def test_every_figure_is_that_of_the_code(words: str) -> None:
    assert words in re.sub(r"\s+", " ", PAGE)


def test_the_example_of_a_line_has_the_fields_of_a_line() -> None:
    (shown,) = re.findall(r"```json\n(.*)\n```", PAGE)
    whole = Seen("tools/call", "enrich_person", "ok", 200, "0" * SHOWN_DIGEST)

    assert re.findall(r'"(\w+)":', shown) == re.findall(r'"(\w+)":', whole.line())
    assert f'"account": "{"3f9a1c07"[:SHOWN_DIGEST]}"' in shown


def test_the_proxy_of_the_example_waits_as_long_as_the_page_asks() -> None:
    (seconds,) = re.findall(r"proxy_read_timeout (\d+)s", NGINX)

    assert f"wait {seconds} s for an answer" in PAGE
