"""`python -m shared.server.probe PORT` asks whether this machine's service is ready: the images' HEALTHCHECK.

The exit status is 0 for ready. It asks in plain text, then over TLS without a look at the certificate: it talks to its
own container alone, and shows nothing. (Where the HTTP port asks for clients' certificates, --tls-clients all, no probe
gets in.)
"""

from __future__ import annotations

import http.client
import ssl
import sys

SECONDS = 4.0


def is_ready(port: int) -> bool:
    """Return True where /readyz answers 200 on this port of 127.0.0.1."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for connection in (
        http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS / 2),
        http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS / 2, context=context),
    ):
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            continue
        finally:
            connection.close()
    return False


if __name__ == "__main__":
    sys.exit(not is_ready(int(sys.argv[1])))
