"""The end of certificates, and the usability of what a client shows.

    PEM --ends_at--> seconds since 1970          Credentials --ShownFiles.reload--> not_after, or why they cannot be used

Law: a chain ends with the first of its certificates to end.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from cryptography import x509

from shared.errors import SettingsRefused
from shared.transport.credentials import Credentials
from shared.transport.secret_files import Stamp, stamp_of


def ends_at(pem: bytes) -> float:
    """Return the moment when the first of these certificates ends, in seconds since 1970; raises ValueError for none."""
    return min(one.not_valid_after_utc.timestamp() for one in x509.load_pem_x509_certificates(pem))


@dataclass
class ShownFiles:
    """The credentials that a client shows, looked after while it runs.

    not_after: the end of its certificate in seconds since 1970; NaN until one was read.
    """

    credentials: Credentials
    not_after: float = field(default=float("nan"), init=False)
    _stamp: Stamp | None = field(default=None, init=False)

    def reload(self) -> bool:
        """Return True where something was new; raises OSError or ValueError where it is of no use for a new connection."""
        stamp = stamp_of(self.credentials.paths)
        if stamp == self._stamp:
            return False
        self._read()
        self._stamp = stamp
        return True

    def _read(self) -> None:
        given = self.credentials
        try:
            given.metadata()
        except SettingsRefused as error:
            raise ValueError(str(error)) from error
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if given.ca is not None:
            context.load_verify_locations(given.ca)
        if given.certificate is not None and given.key is not None:
            context.load_cert_chain(given.certificate, given.key)
            self.not_after = ends_at(given.certificate.read_bytes())
