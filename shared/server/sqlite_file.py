"""A service's one SQLite file in its data folder: locked, checked, opened, and set aside when it is damaged.

    folder --lock--> file --looked at, read only--> version and pages are right --> main, second (two connections, WAL)
                                                |-> another release's: refused, not a byte of it changed
                                                '-> damaged: set aside with its log, and a new file begun

Law: one process has the folder; a file of another release is left as it is, since what it holds was promised to somebody.
Law: a damaged file stops nobody, and is kept whole under another name for whoever wants to look.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

from shared.errors import FolderError, ReleaseMismatch
from shared.telemetry.logs import logger

Synchronous = Literal["NORMAL", "FULL"]

_LOCK = "lock"
_BUSY_SECONDS = 10.0
_BESIDE = ("-wal", "-shm")
"""SQLite's log of writes, and the log's index in shared memory."""

log = logger("sqlite")


@dataclass(frozen=True)
class SqliteFormat:
    """The kind of file that a service keeps.

    file: its name in the folder. content, owner: the words for what it holds and for the service, as errors say them.
    version: the value of `PRAGMA user_version` that this release reads and writes; it changes with the schema, never 0.
    additions: tables that earlier releases of this version did not make and do not need, each `IF NOT EXISTS`.
    """

    file: str
    content: str
    owner: str
    schema: str = field(repr=False)
    version: int = 1
    page_cache_kib: int = 2000
    additions: str = field(default="", repr=False)


@dataclass(frozen=True, eq=False)
class SqliteFile:
    """An open file, with two connections whose transactions begin by name; each is for one thread at a time.

    set_aside: the damaged file that this one replaces.
    """

    path: Path
    set_aside: Path | None
    main: sqlite3.Connection = field(repr=False)
    second: sqlite3.Connection = field(repr=False)
    _lock: BinaryIO = field(repr=False)

    def close(self) -> None:
        """Close both connections, which leaves one whole file, and free the folder."""
        self.second.close()
        self.main.close()
        self._lock.close()


def open_sqlite(
    folder: Path,
    form: SqliteFormat,
    main: Synchronous = "FULL",
    second: Synchronous = "FULL",
    prepare: Callable[[sqlite3.Connection], None] | None = None,
) -> SqliteFile:
    """Open the file in `folder`, or begin it. Raises FolderError, and its child ReleaseMismatch.

    main, second: with FULL, a commit of that connection waits for the disk itself.
    prepare: the first work on the main connection; where it meets damage, the file is set aside as well.
    """
    path = folder / form.file
    with ExitStack() as undo:
        lock = undo.enter_context(_locked(folder, form))
        set_aside = None
        try:
            try:
                opened = _opened(path, form, main, prepare)
            except sqlite3.OperationalError:
                raise  # The disk or the rights are at fault, not the file.
            except sqlite3.DatabaseError as error:
                set_aside = _set_aside(path)
                log.error(
                    "damaged file set aside, a new one begun",
                    file=str(path),
                    set_aside=str(set_aside),
                    reason=str(error),
                )
                opened = _opened(path, form, main, prepare)
            undo.callback(opened.close)
            file = SqliteFile(path, set_aside, opened, _connected(path, form, second), lock)
        except (OSError, sqlite3.Error) as error:
            raise FolderError(
                str(folder),
                f"its {form.content} cannot be opened ({error}); make room, allow writing, or name another folder with --data",
            ) from error
        undo.pop_all()
    return file


def _locked(folder: Path, form: SqliteFormat) -> BinaryIO:
    """Return the lock, held as long as it stays open; two services would each take the other's frames for its own."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK).open("wb")
    except OSError as error:
        reason = f"cannot be written ({error.strerror}); name another folder with --data"
        raise FolderError(str(folder), reason) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        reason = f"is in use by another {form.owner}; name another folder with --data"
        if not isinstance(error, BlockingIOError):
            reason = f"cannot be locked ({error.strerror}); name another folder with --data"
        raise FolderError(str(folder), reason) from error
    return lock


def _opened(
    path: Path, form: SqliteFormat, synchronous: Synchronous, prepare: Callable[[sqlite3.Connection], None] | None
) -> sqlite3.Connection:
    """Return the main connection to a file that is whole. Raises sqlite3.DatabaseError for a damaged one."""
    if path.is_file():
        with closing(_read_only(path)) as looking:
            _check(looking, path, form)
    with ExitStack() as undo:
        connection = _connected(path, form, synchronous)
        undo.callback(connection.close)
        if _version(connection) == 0:
            connection.executescript(f"BEGIN; {form.schema} PRAGMA user_version = {form.version}; COMMIT;")
        connection.executescript(form.additions)
        if prepare is not None:
            prepare(connection)
        undo.pop_all()
    return connection


def _read_only(path: Path) -> sqlite3.Connection:
    """Return a connection that changes neither the file nor its log, as the last writer's close would."""
    if path.with_name(f"{path.name}-journal").exists():
        # Somebody was killed who wrote without our log, or while the file was begun. SQLite undoes it with the first read.
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as undoing:
            _version(undoing)
    written = path.with_name(f"{path.name}-wal")
    has_log = written.exists() and written.stat().st_size > 0
    # Without a log, `immutable` keeps SQLite from making one, which a reader cannot take away again.
    uri = f"{path.absolute().as_uri()}?mode=ro{'' if has_log else '&immutable=1'}"
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)


def _check(connection: sqlite3.Connection, path: Path, form: SqliteFormat) -> None:
    found = _version(connection)
    if found not in (0, form.version):
        raise ReleaseMismatch(str(path), form.content, found, form.version)
    (pages,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if pages != "ok":
        raise sqlite3.DatabaseError(pages)


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _connected(path: Path, form: SqliteFormat, synchronous: Synchronous) -> sqlite3.Connection:
    with ExitStack() as undo:
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        undo.callback(connection.close)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA cache_size = -{form.page_cache_kib}")
        undo.pop_all()
    return connection


def _set_aside(path: Path) -> Path:
    target = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    for suffix in ("", *_BESIDE):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(target.with_name(target.name + suffix))
    return target
