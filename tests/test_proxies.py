"""The proxy that a request goes through, by the user's environment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from cleanlist_mcp.api.client import CleanlistClient
from cleanlist_mcp.api.proxies import proxy_for
from cleanlist_mcp.clock import SystemClock
from cleanlist_mcp.errors import ApiUnavailable
from cleanlist_mcp.journal.shared_budget import SharedBudget
from cleanlist_mcp.settings import Settings

API = "https://api.cleanlist.example/api/v1/public"
PROXY = "http://proxy.fable.example:3128"


def through(address: str, exceptions: str) -> bool:
    return proxy_for(address, {"https": PROXY, "no": exceptions}) == PROXY


def test_the_proxy_of_the_scheme_goes_before_the_one_for_all() -> None:
    assert proxy_for(API, {"https": PROXY, "all": "socks5://other.example:1080"}) == PROXY
    assert (
        proxy_for(API, {"http": PROXY, "all": "socks5://other.example:1080"}) == "socks5://other.example:1080"
    )
    assert proxy_for(API, {"http": PROXY}) is None
    assert proxy_for(API, {"https": "proxy.fable.example:3128"}) == PROXY
    assert proxy_for(API, {}) is None


@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "api.cleanlist.example",
        "API.Cleanlist.Example",
        "cleanlist.example",
        ".cleanlist.example",
        "*.cleanlist.example",
        "cleanlist.example:443",
        "https://api.cleanlist.example",
        "all://cleanlist.example",
        "https://api.cleanlist.example:443/",
        "example",
        "localhost,  cleanlist.example",
        "localhost cleanlist.example",
    ],
)
def test_an_exception_names_the_host_or_a_name_above_it(entry: str) -> None:
    assert not through(API, entry)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "list.example",
        "other.example",
        "www.api.cleanlist.example",
        "cleanlist.example:8443",
        "http://api.cleanlist.example",
        "10.0.0.0/8",
        "::1",
        "[::1]",
        ".",
        "*.",
    ],
)
def test_any_other_name_or_address_is_no_exception(entry: str) -> None:
    assert through(API, entry)


@pytest.mark.parametrize(
    ("address", "entry"),
    [
        ("https://10.1.2.3/api", "10.1.2.3"),
        ("https://10.1.2.3/api", "10.0.0.0/8"),
        ("https://10.1.2.3:8443/api", "10.1.2.3:8443"),
        ("https://[fd07:b51a:cc66:f0::5]/api", "fd07:b51a:cc66:f0::/64"),
        ("https://[fd07:b51a:cc66:f0::5]/api", "[fd07:b51a:cc66:f0::]/64"),
        ("https://[fd07:b51a:cc66:f0::5]/api", "fd07:b51a:cc66:f0::5"),
        ("https://[fd07:b51a:cc66:f0::5]/api", "[fd07:b51a:cc66:f0::5]"),
        ("https://[fd07:b51a:cc66:f0::5]/api", "[fd07:b51a:cc66:f0::5]:443"),
        ("https://[fd07:b51a:cc66:f0::5]/api", "FD07:B51A:CC66:F0:0:0:0:5"),
    ],
)
def test_an_exception_may_be_an_address_or_a_network(address: str, entry: str) -> None:
    assert not through(address, entry)


@pytest.mark.parametrize("entry", ["10.1.2.4", "10.2.0.0/16", "fd07::/64", "1.2.3", "2.3", "10.1.2.3:9"])
def test_another_address_or_network_is_no_exception(entry: str) -> None:
    assert through("https://10.1.2.3/api", entry)


UNREADABLE = (
    "fd07:b51a:cc66:f0::/64",
    "[::1]",
    "[fd07::/64",
    "[::1]:port",
    "http://",
    "://",
    "a:b:c",
    "*:*",
    "1.2.3.4/99",
    "host:99999999",
    "\u2603.example/\x7f",
    "[[]]",
)


@pytest.mark.parametrize("entry", UNREADABLE)
async def test_an_entry_that_cannot_be_read_is_left_out_and_the_others_hold(
    entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", f"localhost,{entry}")
    settings = Settings(api_key=SecretStr("clapi_fictional_key"), base_url="https://127.0.0.1:9/api/v2")
    client = CleanlistClient(settings, SharedBudget(SystemClock()))
    with pytest.raises(ApiUnavailable, match="cannot be reached") as raised:
        await client.whoami()
    await client.aclose()

    assert raised.value.fate == "not_sent"
    assert through(API, entry)
    assert not through(API, f"{entry},cleanlist.example")


@given(st.text(max_size=60), st.sampled_from([API, "https://10.1.2.3/api", "https://[::1]:8443/api"]))
def test_no_text_stops_a_request(exceptions: str, address: str) -> None:
    assert proxy_for(address, {"https": PROXY, "no": exceptions}) in (None, PROXY)
