"""`python -m taxon.live.leashed PARENT ARGUMENT...` is `taxon ARGUMENT...` as a process that dies with its parent.

The kernel ends it (SIGKILL) when the parent has gone, however that went. The child asks for this itself, because the parent has
gRPC's threads, and Python code between its fork and exec would run among their locks.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from taxon.main import main

PR_SET_PDEATHSIG = 1


def leash(parent: int) -> None:
    """Binds this process to its parent; ends it where that is gone already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)


if __name__ == "__main__":
    leash(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
