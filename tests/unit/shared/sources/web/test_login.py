"""Digest's answers are those of RFC 7616 and RFC 2069; challenges are read however they are written."""

from __future__ import annotations

import pytest

from shared.sources.web.login import Login, challenges_of

RFC_NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
RFC_CLIENT_NONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
RFC_CHALLENGES = [
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, '
    f'nonce="{RFC_NONCE}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, '
    f'nonce="{RFC_NONCE}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
]


def answer_to(challenges: list[str], login: bytes = b"Mufasa:Circle of Life", nonce: str = RFC_CLIENT_NONCE) -> str:
    mufasa = Login(login, lambda: nonce)
    assert mufasa.authorization("GET", "/dir/index.html") is None, "nothing is sent before it was asked for"
    assert mufasa.takes(challenges)
    shown = mufasa.authorization("GET", "/dir/index.html")
    assert shown is not None
    return shown


@pytest.mark.parametrize(
    ("challenges", "response"),
    [
        (RFC_CHALLENGES, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        (RFC_CHALLENGES[::-1], "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        (RFC_CHALLENGES[1:], "8ca523f5e9506fed4657c9700eebdbec"),
    ],
    ids=["both", "the strongest first, in any order", "MD5 alone"],
)
def test_the_examples_of_rfc_7616(challenges: list[str], response: str) -> None:
    shown = answer_to(challenges)
    assert f'response="{response}"' in shown
    assert "qop=auth, nc=00000001" in shown
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in shown


def test_the_example_of_rfc_2617() -> None:
    challenge = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    shown = answer_to([challenge], b"Mufasa:Circle Of Life", "0a4f113b")
    assert 'response="6629fae49393a05397450978507c4ef1"' in shown
    assert "algorithm" not in shown, "what was not said is not answered"


def test_the_name_is_hidden_where_the_camera_wants_it() -> None:
    # RFC 7616, 3.9.2, but with SHA-256 and an ASCII name: H(username:realm).
    shown = answer_to(['Digest realm="api@example.org", qop="auth", algorithm=SHA-256, nonce="n", userhash=true'])
    assert "Mufasa" not in shown
    assert "userhash=true" in shown


@pytest.mark.parametrize(
    "headers",
    [
        ['Basic realm="a, b", Digest realm="c", nonce="d", algorithm=MD5'],
        ['Digest realm="c", nonce="d", algorithm=MD5, Basic realm="a, b"'],
        ['Basic realm="a, b"', 'digest realm=c,nonce="d",algorithm="MD5"'],
        ['Negotiate, Basic realm="a, b"', 'Digest realm = "c" , nonce= "d", algorithm =MD5'],
    ],
)
def test_challenges_in_one_header_or_several_are_all_read(headers: list[str]) -> None:
    found = {one.scheme: one.parameters for one in challenges_of(headers) if one.scheme != "negotiate"}
    assert found == {"basic": {"realm": "a, b"}, "digest": {"realm": "c", "nonce": "d", "algorithm": "MD5"}}


@pytest.mark.parametrize(
    "headers", [[], [""], ["="], ["Negotiate"], ["Digest realm=x"], ['Digest nonce="n", algorithm=CRC'], [",,,"]]
)
def test_what_cannot_be_answered_is_not(headers: list[str]) -> None:
    assert not Login(b"a:b").takes(headers)


def test_digest_is_preferred_to_basic_which_shows_the_password() -> None:
    both = ['Basic realm="x"', 'Digest realm="x", nonce="n"']
    assert answer_to(both).startswith("Digest ")
    assert answer_to(both[:1]) == "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl"


def test_a_nonce_is_counted_while_it_is_used_and_a_second_refusal_is_final() -> None:
    login = Login(b"a:b")
    offered = ['Digest realm="x", nonce="n", qop="auth"']
    assert login.takes(offered)
    assert [f"nc=0000000{count}" in str(login.authorization("GET", "/")) for count in (1, 2, 3)] == [True] * 3
    assert login.takes(offered), "a nonce that was good before has grown old"
    assert "nc=00000001" in str(login.authorization("GET", "/"))
    assert not login.takes(offered)
    assert login.authorization("GET", "/") is None
