"""The one place that takes secrets out of what people and programs read: log lines, errors, metrics, answers, traces.

    rtsp://admin:hunter2@cam/live --redacted--> rtsp://admin:***@cam/live
    an event --redact_event--> the same event, and no secret in any of its values

It knows logins in URLs, parameters that are named like secrets, the headers that show who calls, and tokens of this
project. What helps to find a camera stays: the host, the path and the user.

Laws: a password reaches no output, whatever its characters and however badly it was encoded. Where a text may be read
in two ways, more is taken out. (One reading is not guarded: a password with `, http://` in it, like a list of URLs.)
A text without any mark of a secret is returned as it is, after a few searches.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_plus

HIDDEN = "***"
"""What stands in the place of a secret."""

_MARKS = (
    "://",
    "@",
    "=",
    "%40",
    "txn_",
    "bearer",
    "basic",
    "authorization",
    "cookie",
    "x-",
    "pass",
    "pwd",
    "api",
    "token",
    "secret",
    "eyj",
)
"""A text in which none of these stands, in lower case, holds nothing that is looked for here."""

_NEXT_URL = re.compile(
    r"""(?<=[\s,;'"=(\[<{|&?])(?:rtsp[stu]?|rtsp\+tcp|rtsp\+udp|https?|rtmps?|rtp|udp|tcp|srt|nats|tls|wss?|grpcs?|dns|s?ftps?|redis|mqtts?|amqps?)://""",
    re.I,
)
"""The beginning of another URL in the same text."""
_HIDDEN_ALREADY = re.compile(r"[^:@/\s]*:\*\*\*@[^@\s]*(?!\S)")
_AUTHORITY = re.compile(r"""[^/?#\s'"<>,;|]*""")
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(:([0-9]{0,5}|PORT.*))?")
_ALWAYS_LOGIN = ("nats://", "tls://")
"""Their URLs have no path, so that an @ ends a login; a login without a colon is a token there."""
_BARE_USER = re.compile(r"""[^:@/"'=<>(){}\[\],]+:""")
_ENCODED_LOGIN = re.compile(r"(%3a(?:%2f|/){2})[^&\s]*(%40)", re.I)

_SECRET_WORDS = "token|pass|pas$|pwd|secret|key|auth|sig|cred|sess|sid$|jwt|code$|hash$"
_SECRET_PARAMETER = re.compile(_SECRET_WORDS)
_PARAMETER = re.compile(r"""([?&;#])([^\s=&?#;]{1,80})=([^&\r\n]*?)(?=&|[\r\n]|\Z|["':,;)\]}>]{1,4}(?:\s|\Z))""")

_NAME = r"(?:\w*(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key)\w*|pass|psw|pw)"
_QUOTED = re.compile(rf"""(["'])({_NAME})\1(\s*:\s*)b?(["'])(.*?)\4""", re.I | re.S)
_ASSIGNED = re.compile(
    rf"""\b({_NAME})=(?!PosixPath\(|None\b|True\b|False\b)("[^"]*"|'[^']*'|(?:(?!_\w+=)[^\s&,;)])+)""", re.I
)
_SAID = re.compile(r"\b(passw(?:or)?d|passphrase|pwd)(:\s+)(?!any\b|the\b|a\b)\S+", re.I)
_ENCODED_PARAMETER = re.compile(
    r"((?:%3f|%26|[?&])[\w-]{0,40}(?:pass|pwd|token|secret|auth|sig|key)\w{0,20}%3d)(?:(?!%26)[^&\s])*", re.I
)
_HEADER = re.compile(
    r"""\b((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]{0,40}(?:key|token|auth|secret)[\w-]{0,20})"""
    r"""(["']?\s*+:\s*+|["']\s*+,\s*+)(b?["']|)(?!(?:bearer\s+)?(?-i:TOKEN)\b)"""
    r"""(?:(digest)\s[^\r\n]*|((?:bearer|basic|negotiate)\s+)?[^\r\n"']+)""",
    re.I,
)
_BEARER = re.compile(r"\b(bearer\s+)(?!tokens?\b|realm=)[A-Za-z0-9._~+/=-]{6,}", re.I)
_BASIC = re.compile(r"\b(basic\s+)(?!realm=)([A-Za-z0-9+/_-]{4,}={0,2})", re.I)
_OWN_TOKEN = re.compile(r"txn_[A-Za-z0-9_%-]{4,}")
_JWT = re.compile(r"\beyJ[\w-]{4,}\.[\w-]+\.[\w-]*")

_SECRET_FIELDS = frozenset({"password", "passwd", "pwd", "secret", "token", "authorization", "cookie", "api_key"})
_DEEPEST = 4
"""Values are looked into so deep; what lies deeper is looked at as one text."""


def redacted(text: str) -> str:
    """Return a URL, a message or any other text without its secrets; the same text where there are none."""
    folded = text.lower()
    if not any(mark in folded for mark in _MARKS):
        return text
    if "://" in text or "=" in text:
        text = _hidden(text, [*_logins(text), *_parameters(text)])
    if "@" in text:
        text = re.sub(r"\S+", _without_bare_login, text)
    if "%3d" in folded:
        text = _ENCODED_PARAMETER.sub(rf"\1{HIDDEN}", text)
    if "%40" in text:
        text = _ENCODED_LOGIN.sub(rf"\1{HIDDEN}\2", text)
    if "=" in text:
        text = _ASSIGNED.sub(rf"\1={HIDDEN}", text)
    if ": " in text:
        text = _SAID.sub(rf"\1\2{HIDDEN}", text)
    text = _QUOTED.sub(rf"\1\2\1\3\4{HIDDEN}\4", text)
    text = _HEADER.sub(_without_header, text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    text = _BASIC.sub(_without_basic, text)
    text = _OWN_TOKEN.sub(f"txn_{HIDDEN}", text)
    return _JWT.sub(HIDDEN, text)


def redacted_traceback(text: str) -> str:
    """Return a traceback without secrets.

    Its indented lines are looked at one by one. A URL in one of them does not reach to an @ in source code below.
    """
    done: list[str] = []
    message: list[str] = []
    for line in text.split("\n"):
        if line[:1].isspace():
            done += [redacted("\n".join(message))] if message else []
            done.append(redacted(line))
            message = []
        else:
            message.append(line)
    return "\n".join([*done, redacted("\n".join(message))] if message else done)


def redact_event(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take the secrets out of a log event; a processor of structlog, which stands behind all that add to an event."""
    for name, value in event.items():
        if name in ("exception", "stack") and isinstance(value, str):
            event[name] = redacted_traceback(value)
        elif name != "exc_info":
            # The renderer makes a text of the error, and redacts that.
            event[name] = HIDDEN if name.lower() in _SECRET_FIELDS and value else _redacted_value(value, _DEEPEST)
    return event


def _redacted_value(value: Any, deep: int) -> Any:
    """Return a value of an event without secrets: itself where it holds none, else a text or a container of such."""
    if isinstance(value, str):
        return redacted(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if deep and isinstance(value, Mapping):
        return {
            key: HIDDEN if str(key).lower() in _SECRET_FIELDS and one else _redacted_value(one, deep - 1)
            for key, one in value.items()
        }
    if deep and type(value) in (list, tuple):
        return type(value)(_redacted_value(one, deep - 1) for one in value)
    shown = repr(value)
    return value if (hidden := redacted(shown)) == shown else hidden


def _hidden(text: str, spans: list[tuple[int, int]]) -> str:
    """Hide these parts of a text. Parts that overlap are two readings of it, and all of both is hidden."""
    done: list[str] = []
    at, hidden_to = 0, -1
    for begin, end in sorted(spans):
        if begin > hidden_to:
            done += [text[at:begin], HIDDEN]
        at = hidden_to = max(end, hidden_to)
    return "".join([*done, text[at:]])


def _logins(text: str) -> Iterator[tuple[int, int]]:
    """Give the begin and end of each login in a URL. It reaches to the last @ before another URL begins."""
    at = 0
    while (mark := text.find("://", at)) >= 0:
        begin = mark + len("://")
        following = _NEXT_URL.search(text, begin)
        end = len(text) if following is None else following.start()
        if (found := _login(text[begin:end], text[max(at, mark - 4) : begin].lower())) is not None:
            yield begin + found[0], begin + found[1]
        at = end


def _login(rest: str, scheme: str) -> tuple[int, int] | None:
    """Return the begin and end of what to hide behind a URL's `://`. scheme: the end of what stands before."""
    if _HIDDEN_ALREADY.match(rest):
        # What follows is a message about the URL, which may have an @ of its own.
        return None
    login_end = rest.rfind("@")
    authority = _AUTHORITY.match(rest)
    named = "" if authority is None else authority.group().rstrip(".:;,)]}" if "[" not in rest else ".:;,)}")
    if login_end < 0:
        # Either there is no login, or its end was encoded.
        return None if _HOST_AND_PORT.fullmatch(named) else (named.index(":") + 1, len(named))
    colon, first = rest.find(":", 0, login_end), rest.find("@")
    if 0 <= colon < first:
        return colon + 1, login_end
    if colon < 0 and "@" not in named and not scheme.endswith(_ALWAYS_LOGIN):
        # The @ belongs to the path.
        return None
    return rest.rfind("/", 0, first) + 1, login_end


def _parameters(text: str) -> Iterator[tuple[int, int]]:
    """Give the begin and end of each value whose parameter is named like a secret."""
    for found in _PARAMETER.finditer(text):
        if _SECRET_PARAMETER.search(unquote_plus(found[2]).lower()):
            yield found.span(3)


def _without_bare_login(word: re.Match[str]) -> str:
    """Hide the password of `user:password@host`, which somebody wrote without a scheme."""
    text = word.group()
    login_end = text.rfind("@")
    if login_end < 0 or "://" in text:
        return text
    user = _BARE_USER.search(text, 0, login_end)
    return text if user is None else f"{text[: user.end()]}{HIDDEN}{text[login_end:]}"


def _without_header(found: re.Match[str]) -> str:
    name, between, quote, digest, scheme = found.groups()
    return f"{name}{between}{quote}{f'{digest} ' if digest else scheme or ''}{HIDDEN}"


def _without_basic(found: re.Match[str]) -> str:
    """Hide a login after the word `basic`; other words may follow it, too."""
    scheme, shown = found.groups()
    if shown.isalpha() and shown.islower():
        with suppress(ValueError):
            if b":" not in base64.b64decode(shown + "=" * (-len(shown) % 4)):
                return found.group()
    return f"{scheme}{HIDDEN}"
