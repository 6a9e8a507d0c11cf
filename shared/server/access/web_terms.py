"""What the HTTP port allows to pages of other origins and to devices that can do no better.

    --cors-origins, --tokens-in-urls --> WebTerms --> CORS, TokenMiddleware

Law: by default nothing of it is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WebTerms:
    """The terms of a port for browsers and simple devices.

    cors_origins: the origins whose pages may ask; `*` for all. tokens_in_urls: True takes a token out of `?token=`.
    """

    cors_origins: tuple[str, ...] = ()
    tokens_in_urls: bool = False
