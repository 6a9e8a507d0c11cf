"""An id that is in use is its token's, and a stream ends with its token also where nothing comes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shared.errors import NotAllowed, Unauthenticated
from shared.server.access import callers as module
from shared.server.access.callers import Access, Call, IdOwners
from shared.server.access.scopes import Action
from shared.server.access.token_file import Tokens
from tests.support.security import TokenFolder, header

CALL = Call("rpc", "Connect", "here")


def callers(folder: TokenFolder, *names: str) -> tuple[Tokens, list[module.Caller]]:
    shown = [header(folder.add(name, "uplink,subscribe"))["Authorization"] for name in names]
    tokens = Tokens(folder.path)
    asked = Access(tokens)
    return tokens, [asked.caller(one, CALL) for one in shown]


def test_nobody_takes_the_place_of_another_token(tmp_path: Path) -> None:
    _, (ours, other) = callers(TokenFolder(tmp_path), "ours", "other")
    places = IdOwners("edge")
    with places.held("shop7", ours):
        with pytest.raises(NotAllowed, match="the edge shop7, which is another token's now"):
            places.held("shop7", other).__enter__()
        with places.held("shop8", other), places.held("shop7", ours):
            pass
        # The second stream of the same edge has ended; the first is there all the same.
        with pytest.raises(NotAllowed):
            places.held("shop7", other).__enter__()
    with places.held("shop7", other):
        pass


def test_without_tokens_an_id_is_everybody_s() -> None:
    places, asked = IdOwners("edge"), Access()
    with places.held("shop7", asked.caller(None, CALL)), places.held("shop7", asked.caller(None, CALL)):
        pass


@pytest.mark.asyncio
async def test_a_stream_on_which_nothing_comes_ends_with_its_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ASKED_AGAIN_SECONDS", 0.01)
    folder = TokenFolder(tmp_path)
    tokens, (caller,) = callers(folder, "hall")
    watching = asyncio.create_task(caller.asked_again(lambda: caller.require(Action.SUBSCRIBE)))
    folder.add("another", "post")
    tokens.reload()
    await asyncio.sleep(0.1)
    assert not watching.done(), "it is another token's line that changed"
    folder.take_back("hall")
    tokens.reload()
    with pytest.raises(Unauthenticated):
        await asyncio.wait_for(watching, 5)
