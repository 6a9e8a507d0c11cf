"""Tokens as devices show them that know no tokens, and pages of other origins: what is taken, and what never is."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import structlog
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from edge_encoder.settings import EdgeSettings
from shared.errors import SettingsRefused, Unauthenticated
from shared.server.access.callers import Access, Call, token_of
from shared.server.access.interceptors import without_tokens
from shared.server.access.token_file import Tokens
from shared.server.access.web_terms import WebTerms
from shared.server.http_server import WebServer, web_app
from shared.server.security import server_security
from shared.server.settings import load_settings
from shared.telemetry.logs import configure_logs
from shared.telemetry.metrics import Meters
from tests.support.security import TokenFolder
from tests.support.services import settings_with

SHOP = "https://shop.example"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@given(st.text(st.characters(codec="utf-8", exclude_characters=":"), max_size=30), st.text("abcXYZ09_-", min_size=1))
def test_the_password_is_the_token_under_any_users_name(user: str, token: str) -> None:
    shown = basic(user, token)
    assert token_of(shown) == token
    assert token_of(shown.rstrip("=")) == token, "some cameras leave the padding out"
    assert token_of(f"bearer  {token}") == token
    assert token_of("Basic " + base64.b64encode(b"\xfc:" + token.encode()).decode()) == token, "whatever the charset"


@given(st.text(max_size=60))
def test_nothing_else_is_a_token(text: str) -> None:
    assert token_of(f"Digest {text}") == ""
    assert token_of("Basic " + text + "!") == ""
    assert token_of("Basic " + "QQ" * 2000) == ""


@given(
    st.lists(st.tuples(st.text("ab&=%", max_size=4), st.text(max_size=5)), max_size=4),
    st.text("abc_-", min_size=1, max_size=9),
    st.sampled_from(["token", "t%6fken", "%74oken"]),
)
def test_no_token_stays_in_an_address(others: list[tuple[str, str]], token: str, name: str) -> None:
    parts = [f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in others]
    query = "&".join([*parts, f"{name}={token}"]).encode()
    assert without_tokens(query) == ("&".join(parts).encode(), (token,))


@asynccontextmanager
async def serving(folder: TokenFolder, **terms: object) -> AsyncIterator[httpx.AsyncClient]:
    access = Access(Tokens(folder.path), Meters("t", CollectorRegistry()))
    app = web_app("t", "", lambda: None, CollectorRegistry(), access, (), WebTerms(**terms))  # type: ignore[arg-type]

    @app.post("/v1/post")
    async def post(request: Request) -> str:
        return request.url.query

    web = WebServer(app, "127.0.0.1:0")
    await web.start()
    try:
        async with httpx.AsyncClient(base_url=web.url, timeout=5) as client:
            yield client
    finally:
        await web.stop(0.1)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_device_posts_with_the_token_as_its_password(tmp_path: Path) -> None:
    folder = TokenFolder(tmp_path)
    token = folder.add("any", "metrics").read_text().strip()
    async with serving(folder) as client:
        refused = await client.post("/v1/post", content=b"x")
        assert refused.status_code == 401
        # A device that waits to be asked finds what it can: this is how it learns that a password will do.
        assert refused.headers["www-authenticate"] == 'Bearer, Basic realm="taxon", charset="UTF-8"'
        for user in ("", "admin", "ü"):
            assert (await client.post("/v1/post", content=b"x", auth=(user, token))).status_code == 200
        assert (await client.post("/v1/post", content=b"x", auth=(token, "x"))).status_code == 401
        assert (await client.post("/v1/post", content=b"x", auth=("a", f"{token}x"))).status_code == 401


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_browsers_kept_password_serves_no_page_of_another_origin(tmp_path: Path) -> None:
    folder = TokenFolder(tmp_path)
    token = folder.add("any", "metrics").read_text().strip()
    async with serving(folder, cors_origins=(SHOP,)) as client:
        own = str(client.base_url).rstrip("/")
        for origin, status in (
            (own, 200),
            (SHOP, 200),
            ("https://evil.example", 401),
            ("null", 401),
            ("http://[", 401),
        ):
            posted = await client.post("/v1/post", content=b"x", auth=("", token), headers={"Origin": origin})
            assert posted.status_code == status, origin
        # A page that shows the token itself has it; no browser does that for a page.
        shown = {"Origin": "https://evil.example", "Authorization": f"Bearer {token}"}
        assert (await client.post("/v1/post", content=b"x", headers=shown)).status_code == 200


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_token_in_the_address_is_taken_only_where_a_setting_says_so(tmp_path: Path) -> None:
    folder = TokenFolder(tmp_path)
    token, other = (folder.add(name, "metrics").read_text().strip() for name in ("any", "other"))
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs("t", "debug", "json", stream)
    try:
        async with serving(folder) as client:
            refused = await client.post(f"/v1/post?token={token}", content=b"x")
            assert refused.status_code == 401
            assert "--tokens-in-urls" in refused.json()["detail"], "who tries it is told"
            assert refused.headers["cache-control"] == "no-store"
        async with serving(folder, tokens_in_urls=True) as client:
            taken = await client.post(f"/v1/post?a=b&token={token}&c=d", content=b"x")
            assert (taken.status_code, taken.json()) == (200, "a=b&c=d"), "nothing behind the door sees it"
            assert (taken.headers["cache-control"], taken.headers["referrer-policy"]) == ("no-store", "no-referrer")
            assert (await client.get(f"/metrics/?t%6fken={token}")).status_code == 200
            document = (await client.get("/openapi.json", headers={"Authorization": f"Bearer {token}"})).json()
            assert document["paths"]["/metrics"]["get"]["security"][-1] == {"address": []}
            assert document["components"]["securitySchemes"]["address"]["name"] == "token"
            for query in ("token=", f"token={token}&token={other}", f"token={token}x", f"toke={token}", "token"):
                assert (await client.post(f"/v1/post?{query}", content=b"x")).status_code == 401, query
            header = {"Authorization": "Bearer txn_unknown"}
            both = await client.post(f"/v1/post?token={token}", content=b"x", headers=header)
            assert both.status_code == 401, "a header goes before the address"
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    assert stream.getvalue().count("call refused") >= 1
    assert token not in stream.getvalue()


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_page_of_an_allowed_origin_may_post_with_its_token(tmp_path: Path) -> None:
    folder = TokenFolder(tmp_path)
    token = folder.add("any", "metrics").read_text().strip()
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, x-capture-time",
    }
    for allowed in ((SHOP,), ("*",)):
        async with serving(folder, cors_origins=allowed) as client:
            before = await client.options("/v1/post", headers={"Origin": SHOP, **asks})
            assert before.status_code == 200, "a browser's question comes without a token"
            assert before.headers["access-control-allow-origin"] in (SHOP, "*")
            assert "POST" in before.headers["access-control-allow-methods"]
            assert "authorization" in before.headers["access-control-allow-headers"].lower()
            shown = {"Origin": SHOP, "Authorization": f"Bearer {token}"}
            for answer in (
                await client.post("/v1/post", content=b"x", headers=shown),
                await client.post("/v1/post", content=b"x", headers={"Origin": SHOP}),
                await client.get("/healthz", headers={"Origin": SHOP}),
            ):
                assert answer.headers["access-control-allow-origin"] in (SHOP, "*"), "a page can read a refusal, too"
                assert "access-control-allow-credentials" not in answer.headers
            private = {"Origin": SHOP, **asks, "Access-Control-Request-Private-Network": "true"}
            inside = await client.options("/v1/post", headers=private)
            assert (inside.status_code == 200) is (allowed == (SHOP,)), "the web is kept out of a private network"
            evil = await client.options("/v1/post", headers={"Origin": "https://evil.example", **asks})
            assert (evil.status_code == 200) is (allowed == ("*",))
    async with serving(folder) as client:
        closed = await client.options("/v1/post", headers={"Origin": SHOP, **asks})
        assert closed.status_code == 401
        assert not [name for name in closed.headers if name.startswith("access-control")]


@pytest.mark.parametrize("origin", [SHOP, "http://127.0.0.1:8090", "http://[::1]:80", "*"])
def test_an_origin_is_taken(origin: str) -> None:
    settings = load_settings(EdgeSettings, "taxon edge", ["--cors-origins", origin])
    assert settings.web_terms == WebTerms((origin,), tokens_in_urls=False)


@pytest.mark.parametrize(
    "origin", ["shop.example", "https://shop.example/", "https://shop.example/a", "file:///", "https://*"]
)
def test_what_is_no_origin_is_told(origin: str) -> None:
    with pytest.raises(SettingsRefused, match=r"cors_origins\.0: must be \*, or the origin of a page"):
        load_settings(EdgeSettings, "taxon edge", ["--cors-origins", origin])


def test_what_weakens_a_service_is_told_at_its_start(tmp_path: Path) -> None:
    folder = TokenFolder(tmp_path)
    with capture_logs() as told:
        server_security(settings_with(EdgeSettings, tokens=folder.path, tokens_in_urls=True), {})
        server_security(settings_with(EdgeSettings, cors_origins=["*"]), {})
        server_security(settings_with(EdgeSettings, tokens=folder.path, cors_origins=[SHOP]), {})
    events = [line["event"] for line in told if line["log_level"] == "warning" and "a secret" not in line["event"]]
    assert len(events) == 2
    assert events[0].startswith("tokens are taken from addresses too")
    assert events[1].startswith("pages of other origins may ask")


def test_a_basic_login_without_a_known_token_is_refused(tmp_path: Path) -> None:
    access = Access(Tokens(TokenFolder(tmp_path).path), Meters("t", CollectorRegistry()))
    for shown in ("Basic", "Basic ", "Basic OnR4bl94", basic("a", ""), basic("a", "txn_x"), "Basic ÿ"):
        with pytest.raises(Unauthenticated):
            access.caller(shown, Call("http", "GET /", ""))
