"""The credentials of a client: what it shows of itself, and which services it trusts.

    files --Credentials--> a channel to the target, and the metadata of a call

The files are read again for each connection, so that renewed ones are used.
Law: a token never travels in plain text to another machine, unless `insecure` says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from shared.errors import SettingsRefused
from shared.transport.addresses import is_loopback
from shared.transport.proxies import way_options
from shared.transport.secret_files import exposed

Metadata = tuple[tuple[str, str], ...]
LARGEST_FILE_BYTES = 1 << 20
_TOKEN = re.compile(r"[!-~]{1,256}", re.ASCII)
"""The tokens that gRPC takes in metadata. Of any other it would complain with the value, which is a secret."""


@dataclass(frozen=True)
class Credentials:
    """The files of a client.

    ca: PEM of the authorities whose services it trusts; None is plain text. certificate, key: PEM, where the service
    asks for a client's certificate. token: a file that holds the token alone. insecure: True lets a token travel in
    plain text.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    token: Path | None = None
    insecure: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files that are named."""
        return tuple(path for path in (self.ca, self.certificate, self.key, self.token) if path is not None)

    def exposed(self) -> tuple[str, ...]:
        """Return a line for each secret file that everybody on this machine can read."""
        return exposed([path for path in (self.key, self.token) if path is not None])

    @property
    def renewable(self) -> bool:
        """True where a new connection should read the files again."""
        return self.ca is not None

    def channel(self, target: str, options: Sequence[tuple[str, Any]]) -> grpc.aio.Channel:
        """Open a channel to HOST:PORT; raises SettingsRefused."""
        options = [*options, *way_options(target)]
        if self.ca is None:
            if self.certificate is not None or self.key is not None:
                raise SettingsRefused("a client's certificate needs the authority of the service too: a CA file")
            if self.token is not None and not self.insecure and not is_loopback(target):
                raise SettingsRefused(
                    f"the token would travel to {target} in plain text: name a CA file, or say --insecure"
                )
            return grpc.aio.insecure_channel(target, options=options)
        if (self.certificate is None) != (self.key is None):
            raise SettingsRefused("a client's certificate and its key belong together")
        pair = [None if path is None else _read(path) for path in (self.key, self.certificate)]
        return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(_read(self.ca), *pair), options=options)

    def metadata(self) -> Metadata:
        """Return the metadata of each call; raises SettingsRefused."""
        if self.token is None:
            return ()
        try:
            token = _read(self.token).decode("ascii").strip()
        except UnicodeDecodeError:
            token = ""
        if _TOKEN.fullmatch(token) is None:
            raise SettingsRefused(f"{self.token}: must hold one token and nothing else")
        return (("authorization", f"Bearer {token}"),)


NO_CREDENTIALS = Credentials()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE_BYTES)
    except OSError as error:
        raise SettingsRefused(f"{path}: {error.strerror}") from error
