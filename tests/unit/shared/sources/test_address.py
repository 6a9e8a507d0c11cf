"""Addresses of live sources: passwords of any characters, and what an address means."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from shared.errors import SourceError
from shared.sources.address import LONGEST_LOGIN_BYTES, Transport, is_stream_address, parsed

PRINTABLE = st.one_of(st.sampled_from("@:/?#%+&=; \"'\\ü漢1aF"), st.characters(exclude_categories=("Cs", "Cc")))
PASSWORDS = st.text(PRINTABLE, min_size=1, max_size=12)
NAMES = st.text(PRINTABLE.filter(lambda one: one != ":"), min_size=1, max_size=12)


def at_ffmpeg(address: str) -> bytes:
    """The login that FFmpeg sends: it looks for the last @ before the first of / ? #, and then decodes."""
    authority = re.split(r"[/?#]", address.partition("://")[2])[0]
    return unquote_to_bytes(os.fsencode(authority.rpartition("@")[0]))


def refusal_of(spec: str) -> str:
    """Why an address is refused, "" where it is taken."""
    try:
        parsed(spec)
    except SourceError as error:
        return str(error)
    return ""


@given(NAMES, PASSWORDS)
def test_any_password_reaches_the_camera_percent_encoded(user: str, password: str) -> None:
    address = parsed(f"rtsp://{quote(user, safe='')}:{quote(password, safe='')}@10.0.0.5:554/live?a=b")
    assert address.login == f"{user}:{password}".encode()
    assert (address.host, address.port, address.where) == ("10.0.0.5", 554, "/live?a=b")
    assert at_ffmpeg(address.for_ffmpeg) == address.login
    assert address.for_ffmpeg.endswith("@10.0.0.5:554/live?a=b")


@given(PASSWORDS)
@example("p@ss/1#%?: ")
@example("50%")
@example("/")
@example("#1@home/x")
def test_a_password_as_it_is_means_itself_where_it_can_be_read_in_one_way(password: str) -> None:
    """A port may stand before a slash, and a host behind an @; an encoded character is what it encodes."""
    assume(not re.search(r"%[0-9A-Fa-f]{2}", password))
    has_two_readings = "@" in password or re.match(r"[0-9]{1,5}[/?#]", password)
    spec = f"rtsp://admin:{password}@10.0.0.5:554/live"
    if refusal := refusal_of(spec):
        assert has_two_readings
        assert "%2F for /" in refusal, "a refusal says how to write it"
        return
    address = parsed(spec)
    if address.host == "10.0.0.5":
        assert address.login == f"admin:{password}".encode()
        assert at_ffmpeg(address.for_ffmpeg) == address.login
    else:
        assert has_two_readings


@given(PASSWORDS, PASSWORDS, st.sampled_from(["/live\x01", ":99999/live", "", "/live"]))
def test_no_message_has_the_password(before: str, after: str, rest: str) -> None:
    secret = "Geheimwort"
    host = "" if rest == "/live" else "h"
    assert secret not in refusal_of(f"rtsp://admin:{before}{secret}{after}@{host}{rest}")


@pytest.mark.parametrize(
    ("spec", "transport", "scheme"),
    [
        ("rtsp://h/l", None, "rtsp"),
        ("RTSP://h/l", None, "rtsp"),
        ("rtsp+tcp://h/l", Transport.TCP, "rtsp"),
        ("rtsp+udp://h/l", Transport.UDP, "rtsp"),
        ("rtspt://h/l", Transport.TCP, "rtsp"),
        ("rtspu://h/l", Transport.UDP, "rtsp"),
        ("rtsps://h/l", Transport.TCP, "rtsps"),
        ("https://h/l", None, "https"),
    ],
)
def test_the_scheme_names_the_transport(spec: str, transport: Transport | None, scheme: str) -> None:
    address = parsed(spec)
    assert (address.transport, address.scheme) == (transport, scheme)
    assert address.for_ffmpeg == f"{scheme}://h/l"


@pytest.mark.parametrize(
    "spec", ["clip.mp4", "/a/b://c", "ftp://h/x", "webcam:/dev/video0", "rtsp:/h", "rtsp+sctp://h/l"]
)
def test_what_is_no_address_of_a_stream(spec: str) -> None:
    assert not is_stream_address(spec)
    with pytest.raises(SourceError, match="no address of a stream"):
        parsed(spec)


@pytest.mark.parametrize(
    "spec", ["rtsp://", "rtsp:///live", "rtsp://u:p@", "rtsp://h:0/l", "rtsp://h:99999/l", "http://[::1/x"]
)
def test_an_address_without_a_host_is_refused(spec: str) -> None:
    with pytest.raises(SourceError, match="no host"):
        parsed(spec)


@pytest.mark.parametrize("spec", ["rtsp://u:p\r\nX: y@h/l", "rtsp://u:p%0d%0aX:y@h/l", "http://h/a\nb", "rtsp://h/%00"])
def test_nothing_smuggles_a_line_into_the_request(spec: str) -> None:
    with pytest.raises(SourceError, match="control character"):
        parsed(spec)


def test_a_login_that_ffmpeg_would_cut_is_refused() -> None:
    fits = "x" * (LONGEST_LOGIN_BYTES - 2)
    assert parsed(f"rtsp://u:{fits}@h/l").login == f"u:{fits}".encode()
    with pytest.raises(SourceError, match="more than 127 bytes"):
        parsed(f"rtsp://u:{fits}x@h/l")
    assert parsed(f"http://u:{fits}x@h/l").login, "FFmpeg keeps more of an HTTP login"


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("rtsp://admin:secret@10.0.0.5", "10.0.0.5"),
        ("rtsp://admin:sec/ret@10.0.0.5/", "10.0.0.5"),
        ("rtsp://10.0.0.5:554/hall/live.sdp", "live"),
        ("http://cam/video?token=secret", "video"),
        ("rtsp://[fe80::1]/", "fe80::1"),
    ],
)
def test_a_camera_is_named_after_path_or_host_and_never_after_a_login(spec: str, name: str) -> None:
    assert parsed(spec).camera_name == name


@pytest.mark.parametrize(
    ("host", "is_so"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("[::1]", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("10.0.0.5", False),
    ],
)
def test_loopback_is_known(host: str, is_so: bool) -> None:
    assert parsed(f"http://{host}:80/x").is_loopback is is_so


def test_a_path_may_have_spaces_letters_and_an_at() -> None:
    address = parsed("rtsp://10.0.0.5/höf 1/user@cam?a=1#part")
    assert address.for_ffmpeg == "rtsp://10.0.0.5/h%C3%B6f%201/user@cam?a=1"
    assert address.login is None
