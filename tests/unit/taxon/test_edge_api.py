"""An edge's address and the token that is shown to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxon.client import Credentials
from taxon.edge_api import EdgeApi
from taxon.errors import CommandError, UsageError


@pytest.mark.parametrize(
    "address",
    [
        "ftp://127.0.0.1:1",
        "http://",
        "http://127.0.0.1:1/v1",
        "http://user:token@127.0.0.1:1",
        "http://127.0.0.1:x",
        "",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_sent(address: str) -> None:
    with pytest.raises(UsageError):
        EdgeApi(address, Credentials()).ask("GET")


def test_a_token_goes_to_another_machine_by_tls_alone(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("txn_" + "x" * 43)
    with pytest.raises(UsageError, match="in plain text"):
        EdgeApi("http://192.0.2.7:8080", Credentials(token=token)).ask("GET")


def test_where_no_edge_answers_the_address_is_named() -> None:
    with pytest.raises(CommandError, match=r"no edge answers at 127\.0\.0\.1:1"):
        EdgeApi("127.0.0.1:1", Credentials()).ask("GET")
