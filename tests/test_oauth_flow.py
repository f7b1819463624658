"""A team's sign-in with a real authorization server: a client finds it, registers, signs somebody in, and calls tools.

The server is oidc-provider from npm; a browser's part is played by following its own pages.
"""

import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from client_runs.services import free_port
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from cleanlist_mcp.sandbox.serve import running
from cleanlist_mcp.sandbox.state import Sandbox
from tests.support import ERAS, said
from tests.test_cli import COMMAND

pytestmark = [pytest.mark.long, pytest.mark.npm]

FOLDER = Path(__file__).parent / "oidc_provider"
REDIRECT = "http://127.0.0.1:1/callback"
"""The address that the browser would be sent back to; nothing has to listen there."""

ADA = {"first_name": "Ada", "last_name": "Fable", "domain": "fable.example"}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of the authorization server, with its package installed beside it."""
    npm = shutil.which("npm")
    if npm is None:
        assert "CI" not in os.environ, "npm is missing"
        pytest.skip("npm is not installed")
    folder = shutil.copytree(FOLDER, tmp_path_factory.mktemp("oidc") / "provider")
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=folder, check=True, timeout=300)
    return folder / "provider.mjs"


@dataclass(frozen=True)
class Deployment:
    """A service behind a sign-in, and the issuer of its tokens."""

    url: str
    issuer: str


@contextmanager
def started(command: list[str], environment: dict[str, str]) -> Iterator[str]:
    """Run a command that serves until its stdin ends or it is told to, and yield its first line."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLEANLIST_")}
    with subprocess.Popen(
        command,
        env=kept | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@asynccontextmanager
async def deployed(provider: Path, folder: Path) -> AsyncIterator[Deployment]:
    sandbox, port = Sandbox(), free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(running(sandbox))
        issuer = stack.enter_context(started(["node", str(provider), url], {}))
        settings = {
            "CLEANLIST_AUTH": "oauth",
            "CLEANLIST_API_KEY": sandbox.key,
            "CLEANLIST_BASE_URL": api,
            "CLEANLIST_OAUTH_ISSUER": issuer,
            "CLEANLIST_OAUTH_AUDIENCE": url,
            "CLEANLIST_STATE_DIR": str(folder),
        }
        line = stack.enter_context(started([*COMMAND, "serve", "--http", "--port", str(port)], settings))
        assert url in line
        yield Deployment(url, issuer)


class Browser:
    """Signs somebody in by the pages of the authorization server, and keeps what a client has to keep."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pages: list[str] = []
        self.tokens: OAuthToken | None = None
        self._client: OAuthClientInformationFull | None = None
        self._returned: dict[str, str] = {}

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._client = client_info

    async def follow(self, address: str) -> None:
        """Go where the client sends the user: sign in, consent, and come back."""
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(address)
            for _ in range(20):
                if answer.is_redirect:
                    place = urljoin(str(answer.url), answer.headers["location"])
                    if place.startswith(REDIRECT):
                        self._returned = {
                            name: values[0] for name, values in parse_qs(urlsplit(place).query).items()
                        }
                        return
                    answer = await http.get(place)
                else:
                    answer = await self._fill_in(http, answer)
        raise AssertionError("the sign-in leads nowhere")

    async def _fill_in(self, http: httpx.AsyncClient, page: httpx.Response) -> httpx.Response:
        form, prompt = (
            re.search(r'action="([^"]+)"', page.text),
            re.search(r'name="prompt" value="(\w+)"', page.text),
        )
        assert form is not None and prompt is not None, page.text
        self.pages.append(prompt[1])
        fields = {"prompt": prompt[1], "login": self.name, "password": "any"}
        return await http.post(urljoin(str(page.url), form[1]), data=fields)

    async def result(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(
            code=self._returned["code"], state=self._returned.get("state"), iss=self._returned.get("iss")
        )


@asynccontextmanager
async def connected(url: str, browser: Browser, era: str) -> AsyncIterator[Client]:
    metadata = OAuthClientMetadata(
        client_name="flow",
        redirect_uris=[AnyUrl(REDIRECT)],
        token_endpoint_auth_method="none",  # noqa: S106 - no secret
    )
    auth = OAuthClientProvider(url, metadata, browser, browser.follow, browser.result)
    async with (
        create_mcp_http_client(auth=auth) as http,
        Client(streamable_http_client(url, http_client=http), mode=era) as client,
    ):
        yield client


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_signs_in_by_itself_and_people_see_nothing_of_each_other(
    provider: Path, tmp_path: Path, era: str
) -> None:
    async with deployed(provider, tmp_path) as there:
        ada, bob = Browser("ada"), Browser("bob")
        async with connected(there.url, ada, era) as client:
            report = said(await client.call_tool("enrich_person", ADA))
            assert report["credits"]["charged"] == 1
        async with connected(there.url, bob, era) as client:
            runs = said(await client.call_tool("workflow_status", {}))
            foreign = said(await client.call_tool("workflow_status", {"workflow_id": report["workflow_id"]}))
            balance = said(await client.call_tool("credits_balance", {}))

    assert ada.pages == bob.pages == ["login", "consent"]
    assert "runs" not in runs or runs["runs"] == []
    assert "person" not in foreign
    assert balance["hourly_unquoted_left"] == 100


async def test_the_token_of_another_service_of_the_same_issuer_is_refused(
    provider: Path, tmp_path: Path
) -> None:
    async with deployed(provider, tmp_path) as there, httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(
            there.url, json={}, headers={"Authorization": "Bearer clapi_made_up_0000000000"}
        )
        page = re.search(r'resource_metadata="([^"]+)"', answer.headers["www-authenticate"])
        assert page is not None
        facts = (await http.get(page[1])).json()

    assert answer.status_code == 401
    assert facts["resource"] == there.url and facts["authorization_servers"] == [there.issuer]
