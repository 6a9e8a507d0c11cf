"""What the HTTP port allows to pages of other origins and to devices that can do no better.

    --cors-origins, --tokens-in-urls --> WebTerms --> CORS, TokenMiddleware

Law: by default nothing of it is allowed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True)
class WebTerms:
    """The terms of a port for browsers and simple devices.

    cors_origins: the origins whose pages may ask; `*` for all. tokens_in_urls: True takes a token out of `?token=`.
    """

    cors_origins: tuple[str, ...] = ()
    tokens_in_urls: bool = False


def checked_origin(text: str) -> str:
    """Return `*` or the origin of a page, SCHEME://HOST[:PORT]; raises ValueError."""
    if text != "*" and _ORIGIN.fullmatch(text) is None:
        raise ValueError("must be *, or the origin of a page as a browser names it: https://HOST or https://HOST:PORT")
    return text
