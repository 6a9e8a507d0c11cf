"""Room for as many files as the service's connections can take, before the first of them is accepted.

    make_room(http_connections + rpc_connections)     raises the process's own limit, as far as the system lets it

Law: the operator is told at the start where there is not enough room. A service without a file to open loses frames
later.
"""

from __future__ import annotations

import resource

from shared.telemetry.logs import logger

log = logger("service")
OTHER_FILES = 512
"""The other files of a service: the spool's or the journal's, libraries', and its own connections."""


def make_room(connections: int) -> int:
    """Make room for these connections; return the number of files that may be open then."""
    wanted = connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    given = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (given, hard))
    if given < wanted:
        log.warning(
            "fewer files may be open than connections are allowed",
            files=given,
            wanted=wanted,
            lower="--http-connections, --rpc-connections, or raise the limit (ulimit -n)",
        )
    return given
