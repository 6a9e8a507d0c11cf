"""A pytest plugin: a test says by a marker what it starts, and is held to it.

    marker            what the test may start
    starts_nothing    neither a server nor a process; every test without another marker has this one
    starts_training   a whole training or experiment in the test's own process
    starts_server     servers and other listening sockets in the test's own process
    starts_process    child processes, such as a service, NATS or a browser, and servers
    e2e               the whole stack in containers; every test in tests/e2e has it

Law: what a test may not start fails in the moment it is tried, and the test fails with it, even where something catches the error.
"""

from __future__ import annotations

import multiprocessing.process
import sys
from collections.abc import Generator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from xdist.scheduler import LoadScopeScheduling

NOTHING, TRAINING, SERVER = "starts_nothing", "starts_training", "starts_server"
PROCESS, STACK = "starts_process", "e2e"
MARKERS: Mapping[str, str] = {
    NOTHING: "neither a server nor a process (every test without another of these markers; make check runs these)",
    TRAINING: "a whole training or experiment in the test's own process",
    SERVER: "servers or other listening sockets in the test's own process",
    PROCESS: "child processes, such as a service, NATS or a browser",
    STACK: "the whole stack in containers, as an operator runs it (tests/e2e; make e2e-docker)",
}
ALONE = "its laws of time or memory hold on an idle machine (make test runs it after the others)"
LONGEST_FIRST = (STACK, PROCESS, TRAINING, SERVER, NOTHING)
"""The order in which several workers take files: the short ones fill what the long ones leave."""
TOGETHER = {
    # Both look at one live stack, which takes half a minute to start.
    "tests/integration/deploy/test_dashboards.py": "tests/integration/deploy/test_live_metrics.py",
    # A demo takes the usual ports where they are free, and two at once may find the same ones free.
    "tests/integration/test_demo.py": "tests/integration/test_installed.py",
}
"""Files that one worker takes together."""
LISTENS, FORKS = "taxon.tests.listens", "taxon.tests.forks"
"""Audit events of our own, for what raises none: gRPC's core and multiprocessing."""
MAY_LISTEN, MAY_FORK = frozenset({SERVER, PROCESS, STACK}), frozenset({PROCESS, STACK})
ALLOWED: Mapping[str, frozenset[str]] = {
    "socket.bind": MAY_LISTEN,
    LISTENS: MAY_LISTEN,
    FORKS: MAY_FORK,
    "subprocess.Popen": MAY_FORK,
    "os.posix_spawn": MAY_FORK,
    "os.fork": MAY_FORK,
    "os.forkpty": MAY_FORK,
    "os.exec": MAY_FORK,
    "os.system": MAY_FORK,
}
"""The markers that allow an audit event (docs.python.org/3/library/audit_events.html)."""


class FileScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """A worker takes a whole file, so that the file's fixtures are made once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return TOGETHER.get(file, file)


class UndeclaredStart(AssertionError):  # noqa: N818 - named after what happened
    """A test started what its markers do not say."""


class StartGuard:
    """The plugin. A process has one: an audit hook cannot be taken away again."""

    def __init__(self) -> None:
        self._markers: frozenset[str] | None = None
        self._undeclared: list[str] = []
        for server in grpc.aio.Server.__subclasses__():
            _announce(server, "add_insecure_port", LISTENS)
            _announce(server, "add_secure_port", LISTENS)
        _announce(multiprocessing.process.BaseProcess, "start", FORKS)
        sys.addaudithook(self._audit)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Give every test its marker."""
        if item.path.is_relative_to(item.config.rootpath / "tests" / "e2e"):
            item.add_marker(STACK)
        elif not _markers(item):
            item.add_marker(NOTHING)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the files whose tests start most first; a file's tests stay together."""
        ranks: dict[Path, int] = {}
        for item in items:
            rank = min(LONGEST_FIRST.index(name) for name in _markers(item))
            ranks[item.path] = min(rank, ranks.get(item.path, rank))
        items.sort(key=lambda item: ranks[item.path])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> LoadScopeScheduling:
        """Let one worker take a whole file, in the order above."""
        config.option.loadscopereorder = False
        return FileScheduling(config, log)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Hold the test and its fixtures to the markers."""
        self._markers = _markers(item)
        self._undeclared.clear()
        try:
            return (yield)
        finally:
            self._markers = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail a test that went on although it could not start something."""
        report = yield
        if self._undeclared and not report.failed:
            report.outcome = "failed"
            report.longrepr = "\n".join(dict.fromkeys(self._undeclared))
        if self._undeclared:
            self._undeclared.clear()
        return report

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._markers is None or event not in ALLOWED or self._markers & ALLOWED[event]:
            return
        wanted = SERVER if SERVER in ALLOWED[event] else PROCESS
        what = "a server" if wanted == SERVER else "a process"
        said = (
            f"the test starts {what} ({event}{arguments!r:.200}), but it is marked {', '.join(sorted(self._markers))}: "
            f"mark it @pytest.mark.{wanted} (see tests/support/starts.py)"
        )
        self._undeclared.append(said)
        raise UndeclaredStart(said)


def _markers(item: pytest.Item) -> frozenset[str]:
    return frozenset(mark.name for mark in item.iter_markers() if mark.name in MARKERS)


def _announce(owner: Any, name: str, event: str) -> None:
    """Raise an audit event of our own whenever a method is called."""
    method = getattr(owner, name)

    @wraps(method)
    def announced(self: Any, *arguments: Any, **named: Any) -> Any:
        sys.audit(event, *map(repr, arguments))
        return method(self, *arguments, **named)

    setattr(owner, name, announced)
