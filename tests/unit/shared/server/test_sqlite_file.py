"""The laws of a service's database file, tried on both that there are: the edge's spool and the cloud's journal."""

from __future__ import annotations

import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cloud_analytics.journal.local import sqlite_journal as journal
from edge_encoder.spool import database as spool
from shared.errors import ReleaseMismatch, TaxonError
from shared.server.sqlite_file import SqliteFormat, open_sqlite

FULL, NORMAL = 2, 1
"""How SQLite numbers the values of `PRAGMA synchronous`."""


@dataclass(frozen=True)
class Opened:
    """An open file. appends: the connection that writes frames. second: the other one."""

    appends: sqlite3.Connection
    second: sqlite3.Connection
    close: Callable[[], None]


@dataclass(frozen=True)
class Kind:
    """One of the two files. owner: the service that has it, as errors name it."""

    file: str
    owner: str
    tables: frozenset[str]
    opened: Callable[[Path], Opened]

    def __str__(self) -> str:
        return self.file


def open_spool(folder: Path, sync: str = "full") -> Opened:
    database, _ = spool.open_spool(folder, sync)
    return Opened(database.main, database.second, database.close)


def open_journal(folder: Path) -> Opened:
    database = journal.open_database(folder)
    return Opened(database.file.main, database.file.second, database.close)


SPOOL = Kind(
    "spool.sqlite",
    "edge",
    frozenset({"meta", "cameras", "frames", "receipts", "crops", "frame_times", "camera_times", "receipt_pictures"}),
    open_spool,
)
JOURNAL = Kind(
    "journal.sqlite3",
    "cloud service",
    frozenset({"about", "cameras", "bundles", "frames", "dropped", "wishes", "crops", "frame_times", "wish_times"}),
    open_journal,
)


@pytest.fixture(params=[SPOOL, JOURNAL], ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def fill(kind: Kind, folder: Path, rows: int = 500) -> None:
    """Begin a file and put some pages into it, with a table that is nobody's."""
    opened = kind.opened(folder)
    opened.appends.execute("CREATE TABLE ballast (bytes BLOB)")
    opened.appends.executemany("INSERT INTO ballast VALUES (?)", [(bytes(1000),)] * rows)
    opened.close()


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file that holds data; the lock and the log's index in shared memory hold none."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.name != "lock" and not path.name.endswith("-shm")
    }


def test_a_new_folder_is_made_and_its_file_has_the_schema(kind: Kind, tmp_path: Path) -> None:
    opened = kind.opened(tmp_path / "new" / "folder")
    tables = {name for (name,) in opened.appends.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables - {"sqlite_sequence"} == kind.tables
    assert pragma(opened.appends, "user_version") == 1
    opened.close()
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir() if path.name != "lock"] == [kind.file]


def test_appends_wait_for_the_disk_and_readers_do_not_wait_for_them(kind: Kind, tmp_path: Path) -> None:
    opened = kind.opened(tmp_path)
    for connection in (opened.appends, opened.second):
        assert pragma(connection, "journal_mode") == "wal"
        assert connection.isolation_level is None, "transactions are begun by name"
        assert int(str(pragma(connection, "busy_timeout"))) >= 5000
    assert pragma(opened.appends, "synchronous") == FULL
    opened.appends.execute("BEGIN IMMEDIATE")
    assert opened.second.execute("SELECT count(*) FROM cameras").fetchone() == (0,)
    opened.appends.execute("COMMIT")
    opened.close()


@pytest.mark.parametrize(("sync", "waits"), [("full", FULL), ("normal", NORMAL)])
def test_the_spool_waits_as_it_is_told_and_never_for_a_deletion(tmp_path: Path, sync: str, waits: int) -> None:
    opened = open_spool(tmp_path, sync)
    assert pragma(opened.appends, "synchronous") == waits
    assert pragma(opened.second, "synchronous") == NORMAL
    opened.close()


HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


@contextmanager
def held_by_another_process(lock: Path) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield
        holder.kill()


@pytest.mark.starts_process
def test_a_folder_that_another_process_holds_is_refused_until_that_process_is_gone(kind: Kind, tmp_path: Path) -> None:
    fill(kind, tmp_path)
    before = contents(tmp_path)
    with held_by_another_process(tmp_path / "lock"), pytest.raises(TaxonError) as refused:
        kind.opened(tmp_path)
    assert f"{tmp_path}" in str(refused.value)
    assert f"is in use by another {kind.owner}" in str(refused.value)
    assert contents(tmp_path) == before
    kind.opened(tmp_path).close()


def test_a_folder_is_free_again_once_it_is_closed_and_after_each_refusal(kind: Kind, tmp_path: Path) -> None:
    first = kind.opened(tmp_path)
    with pytest.raises(TaxonError, match="is in use by another"):
        kind.opened(tmp_path)
    first.close()
    kind.opened(tmp_path).close()


@pytest.mark.parametrize("above", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_refused_in_one_line(kind: Kind, tmp_path: Path, above: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TaxonError) as refused:
        kind.opened(tmp_path / above)
    assert f"{tmp_path / above}" in str(refused.value)
    assert "folder" in str(refused.value), "it says what to do"
    assert "\n" not in str(refused.value)


def test_a_folder_that_cannot_be_written_is_refused(kind: Kind, tmp_path: Path) -> None:
    """Linux's /proc refuses a new file even to root."""
    with pytest.raises(TaxonError, match="folder"):
        kind.opened(Path("/proc/self/task"))


def test_a_file_that_is_a_folder_is_refused_and_not_set_aside(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / kind.file).mkdir()
    with pytest.raises(TaxonError, match="unable to open database file"):
        kind.opened(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((kind.file, "lock"))


@contextmanager
def files_of_at_most(largest_bytes: int) -> Iterator[None]:
    """A disk that takes nothing more of a file, for this process alone."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_at_the_start_is_refused_and_is_no_damage(kind: Kind, tmp_path: Path) -> None:
    with files_of_at_most(8192), pytest.raises(TaxonError, match=r"disk|full"):
        kind.opened(tmp_path)
    assert not list(tmp_path.glob("*.damaged-*"))
    kind.opened(tmp_path).close()


def damage_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xa5" * 600)


def damage_pages(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))


def replace_by_text(path: Path) -> None:
    path.write_bytes(b"not a database at all, but long enough to look like one" * 100)


@pytest.mark.parametrize("damage", [damage_header, damage_pages, replace_by_text])
def test_a_damaged_file_is_set_aside_whole_and_a_new_one_begun(
    kind: Kind, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    fill(kind, tmp_path)
    damage(tmp_path / kind.file)
    found = (tmp_path / kind.file).read_bytes()
    with capture_logs() as logs:
        opened = kind.opened(tmp_path)
    assert opened.appends.execute("SELECT count(*) FROM frames").fetchone() == (0,)
    assert pragma(opened.appends, "quick_check") == "ok"
    opened.close()
    (aside,) = tmp_path.glob(f"{kind.file}.damaged-*")
    assert aside.read_bytes() == found
    assert [one["log_level"] for one in logs] == ["error"]
    assert str(aside) in logs[0].values()


def test_the_log_of_a_damaged_file_goes_with_it(kind: Kind, tmp_path: Path) -> None:
    """A left log would be read into the new file, whose pages it knows nothing of."""
    fill(kind, tmp_path)
    damage_header(tmp_path / kind.file)
    for suffix in ("-wal", "-shm"):
        (tmp_path / (kind.file + suffix)).write_bytes(suffix.encode())
    kind.opened(tmp_path).close()
    (aside,) = (path for path in tmp_path.glob(f"{kind.file}.damaged-*") if not path.name.endswith(("-wal", "-shm")))
    kept = {path.name.removeprefix(aside.name) for path in tmp_path.glob(f"{aside.name}*")}
    assert kept == {"", "-wal", "-shm"}
    assert aside.with_name(f"{aside.name}-wal").read_bytes() == b"-wal"


def of_release(kind: Kind, folder: Path, version: int) -> None:
    """Write the file as another release would have left it after its drain."""
    fill(kind, folder)
    connection = sqlite3.connect(folder / kind.file)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


@pytest.mark.parametrize("version", [2, 99, -1])
def test_a_file_of_another_release_is_refused_and_left_as_it_is(kind: Kind, tmp_path: Path, version: int) -> None:
    of_release(kind, tmp_path, version)
    before = contents(tmp_path)
    with capture_logs() as logs, pytest.raises(ReleaseMismatch) as refused:
        kind.opened(tmp_path)
    assert contents(tmp_path) == before
    assert logs == []
    assert str(refused.value).startswith(f"{tmp_path / kind.file}: ")
    assert f"it has version {version}, this release reads 1" in str(refused.value)
    assert "Run the release that wrote it until it is drained, or name another folder" in str(refused.value)
    mended = sqlite3.connect(tmp_path / kind.file)
    mended.execute("PRAGMA user_version = 1")
    mended.close()
    kind.opened(tmp_path).close()


def test_a_killed_other_releases_log_is_left_as_it_is(kind: Kind, tmp_path: Path) -> None:
    """The version itself is in the log alone; a writer's close would copy the log into the file and delete it."""
    opened = kind.opened(tmp_path / "first")
    opened.appends.execute("PRAGMA user_version = 2")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    opened.close()
    before = contents(tmp_path / "second")
    assert set(before) == {kind.file, f"{kind.file}-wal"}
    with pytest.raises(ReleaseMismatch, match="version 2"):
        kind.opened(tmp_path / "second")
    assert contents(tmp_path / "second") == before


def test_a_damaged_file_of_another_release_is_that_releases_business(kind: Kind, tmp_path: Path) -> None:
    of_release(kind, tmp_path, 2)
    damage_pages(tmp_path / kind.file)
    before = contents(tmp_path)
    with pytest.raises(ReleaseMismatch, match="version 2"):
        kind.opened(tmp_path)
    assert contents(tmp_path) == before


def test_files_that_are_damaged_one_after_the_other_are_all_kept(kind: Kind, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / kind.file).write_bytes(b"no database, number %d" % number * 100)
        kind.opened(tmp_path).close()
    kept = sorted(tmp_path.glob("*.damaged-*"))
    assert [path.read_bytes()[:21] for path in kept] == [b"no database, number %d" % number for number in range(3)]


def test_damage_that_only_the_first_work_meets_sets_the_file_aside_as_well(tmp_path: Path) -> None:
    form = SqliteFormat("small.sqlite", "store", "service", "CREATE TABLE numbers (number INTEGER);")
    open_sqlite(tmp_path, form).close()
    tries: list[int] = []

    def fails_once(connection: sqlite3.Connection) -> None:
        tries.append(connection.execute("SELECT count(*) FROM numbers").fetchone()[0])
        if len(tries) == 1:
            raise sqlite3.DatabaseError("database disk image is malformed")

    file = open_sqlite(tmp_path, form, prepare=fails_once)
    assert tries == [0, 0]
    assert file.set_aside is not None
    assert file.set_aside.exists()
    file.close()


def test_a_killed_writers_commits_are_there(kind: Kind, tmp_path: Path) -> None:
    """What is copied from under an open file is what a killed process leaves."""
    opened = kind.opened(tmp_path / "first")
    opened.appends.execute("CREATE TABLE kept (number INTEGER)")
    opened.appends.execute("INSERT INTO kept VALUES (7)")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    opened.close()
    assert (tmp_path / "second" / f"{kind.file}-wal").stat().st_size > 0
    again = kind.opened(tmp_path / "second")
    assert again.appends.execute("SELECT number FROM kept").fetchall() == [(7,)]
    again.close()


CRASHES_IN_A_TRANSACTION = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = DELETE")
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN")
connection.execute("UPDATE ballast SET bytes = zeroblob(900)")
connection.execute("DELETE FROM ballast WHERE rowid % 2")
connection.execute("CREATE TABLE strange AS SELECT * FROM ballast")
os._exit(0)
"""


@pytest.mark.starts_process
def test_what_another_program_left_half_done_is_undone_and_is_no_damage(kind: Kind, tmp_path: Path) -> None:
    """Somebody's `sqlite3` shell may have been killed, or the power gone while the file was begun."""
    fill(kind, tmp_path)
    subprocess.run([sys.executable, "-c", CRASHES_IN_A_TRANSACTION, str(tmp_path / kind.file)], check=True)
    assert (tmp_path / f"{kind.file}-journal").stat().st_size > 0
    opened = kind.opened(tmp_path)
    assert opened.appends.execute("SELECT count(*), min(length(bytes)) FROM ballast").fetchone() == (500, 1000)
    assert pragma(opened.appends, "journal_mode") == "wal"
    opened.close()
    assert not list(tmp_path.glob("*.damaged-*"))
