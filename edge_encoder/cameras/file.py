"""Cameras in a file: a table for each, in the settings' file (--config) or in one of their own (--cameras-file).

    [cameras.hall]                                    --CamerasFile.read--> CameraPlan of `hall`
    source = "rtsp://admin:secret@10.0.0.7/stream1"
    most_fps = 5

Law: a file is taken as a whole or not at all, and a refusal names the line and never a value.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_encoder.cameras.plan import CameraPlan, plan_of
from shared.errors import BadName, RequestError, SettingsRefused, UnknownName
from shared.telemetry.logs import logger
from shared.telemetry.redaction import redacted
from shared.transport.secret_files import Stamp, exposed, stamp_of

TABLES = "cameras"
LARGEST_FILE_BYTES = 4 << 20

log = logger("edge.cameras")


class CamerasFile:
    """The cameras of these files. settings_file: one in which other settings stand too. cameras_file: one for cameras alone.

    named: cameras that the command line names, which a file must not name again. check: raises a TaxonError for a plan
    that this edge cannot keep.
    """

    def __init__(
        self,
        settings_file: Path | None,
        cameras_file: Path | None,
        named: Collection[str] = (),
        check: Callable[[CameraPlan], None] = lambda _: None,
    ) -> None:
        self._check = check
        self._settings_file = settings_file
        self._cameras_file = cameras_file
        self._named = frozenset(named)
        self._texts: dict[Path, str] = {}
        self._places: dict[str, Path] = {}

    @property
    def paths(self) -> Sequence[Path]:
        """The files."""
        return [path for path in (self._settings_file, self._cameras_file) if path is not None]

    def stamp(self) -> Stamp | None:
        """Return the stamp of the files as they are now, None where one of them is not there."""
        try:
            return stamp_of(self.paths)
        except OSError:
            return None

    def read(self) -> tuple[CameraPlan, ...]:
        """Return the cameras that the files name now, and warn where others can read a password. Raises SettingsRefused."""
        self._texts, self._places = {}, {}
        found: list[CameraPlan] = []
        for path in self.paths:
            for name, table in self._tables(path).items():
                if name in self._named:
                    raise self._refusal(path, name, "the command line names it already; name it in one place")
                if name in self._places:
                    raise self._refusal(path, name, f"{self._places[name]} names it already; name it in one place")
                self._places[name] = path
                found.append(self._plan(path, name, table))
        if any(plan.source is not None and redacted(plan.source) != plan.source for plan in found):
            for line in exposed(self.paths):
                log.warning("the cameras file holds passwords", advice=line)
        return tuple(found)

    def _refusal(self, path: Path, camera_id: str, why: str, name: str = "") -> SettingsRefused:
        """Return a refusal that says where. name: of the setting that is wrong, where one is."""
        line = line_of(self._texts[path], camera_id, name)
        return SettingsRefused(redacted(f"{path}, line {line}: camera {camera_id[:64]}: {why}"))

    def _tables(self, path: Path) -> Mapping[str, Any]:
        try:
            if path.stat().st_size > LARGEST_FILE_BYTES:
                raise SettingsRefused(f"{path}: has more than {LARGEST_FILE_BYTES} bytes")
            self._texts[path] = path.read_text("utf-8")
            document = tomllib.loads(self._texts[path])
        except OSError as error:
            raise SettingsRefused(f"there is no cameras file {path} ({error.strerror})") from error
        except (ValueError, RecursionError) as error:
            raise SettingsRefused(redacted(f"{path}: is no TOML: {error}")) from error
        tables = document.get(TABLES, {})
        if path == self._settings_file:
            # There it may also be the list of those that are taken, which is a setting.
            return tables if isinstance(tables, dict) else {}
        if strays := sorted(document.keys() - {TABLES}):
            line = line_of(self._texts[path], "", strays[0])
            raise SettingsRefused(
                f"{path}, line {line}: {strays[0][:64]} is none of its tables, which are [cameras.NAME] for each camera"
            )
        if not isinstance(tables, dict):
            raise SettingsRefused(f"{path}: {TABLES} must be tables: [cameras.NAME]")
        return tables

    def _plan(self, path: Path, name: str, table: object) -> CameraPlan:
        if not isinstance(table, dict):
            raise self._refusal(path, name, f"must be a table: [cameras.{name[:64]}]")
        try:
            plan = plan_of(name, table)
            self._check(plan)
        except RequestError as error:
            wrong = str(error).partition(":")[0]
            elsewhere = "" if isinstance(error, BadName) else "view"
            raise self._refusal(path, name, str(error), wrong if wrong in table else elsewhere) from error
        except UnknownName as error:
            raise self._refusal(path, name, str(error), "rate") from error
        return plan


def line_of(text: str, camera_id: str, name: str = "") -> int:
    """Return the line where a camera's setting stands, or else its table, or else 1."""
    camera, setting = (rf"""["']?{re.escape(one)}["']?""" for one in (camera_id, name))
    header = re.compile(rf"^\s*\[\s*{TABLES}\s*\.\s*{camera}\s*[.\]]")
    dotted = re.compile(rf"^\s*(?:{TABLES}\s*\.\s*)?{camera}\s*[.=]")
    found = within = 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            within = number if header.match(line) else 0
            found = found or within
        elif within or not camera_id:
            if name and re.match(rf"^\s*{setting}\s*[.=]", line):
                return number
        elif not found and dotted.match(line):
            found = number
    if name and not camera_id and (table := re.search(rf"^\s*\[+\s*{setting}", text, re.MULTILINE)):
        return text.count("\n", 0, table.start()) + 1 + (table.group().count("\n"))
    return found or 1
