"""What people and programs do to cameras at run time, whichever way they ask: looked up, changed, and noted in the log.

    who, camera, change --Management--> PlanBook: checked, kept on the disk, told to whoever follows it
                                   '--> a log line: which token changed what, without secrets

Laws: a change that is answered holds, and outlives a restart. A password that was given is never shown again; whoever
sends back what was shown to it changes no password.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge_encoder.cameras.book import BookEntry, Origin, PlanBook
from edge_encoder.cameras.plan import CameraPlan, changed_plan, plan_of, shown_table, table_of
from edge_encoder.ingest.cameras import CameraCounts, Cameras
from edge_encoder.ingest.departures import Departures
from shared.contract.packets import checked_name
from shared.errors import BadRequest, ChangedMeanwhile, UnknownCamera
from shared.telemetry.logs import logger
from shared.telemetry.redaction import HIDDEN, redacted

log = logger("edge.cameras")


@dataclass(frozen=True)
class ManagedCamera:
    """A camera as it is listed: what became of its frames, and what is set for it."""

    counts: CameraCounts
    entry: BookEntry

    @property
    def tag(self) -> str:
        """A word that changes whenever what is set changes."""
        facts = [self.entry.origin, self.entry.held, table_of(self.entry.plan)]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Wanted:
    """The condition of a change. tags: of which the camera must have one; None for any, or for a camera that is not there.

    new: the camera must not be there yet.
    """

    tags: frozenset[str] | None = None
    new: bool = False

    def check(self, camera_id: str, camera: ManagedCamera | None) -> None:
        """Raise ChangedMeanwhile where the camera is not as it must be."""
        if self.tags is not None and (camera is None or not self.tags & {camera.tag, "*"}):
            raise ChangedMeanwhile(camera_id)
        if self.new and camera is not None and camera.entry.origin is not Origin.POSTS:
            raise ChangedMeanwhile(camera_id)


ANYHOW = Wanted()


class Management:
    """The cameras of one edge. check: raises a RequestError for a plan that this edge's bundle cannot keep."""

    def __init__(
        self, book: PlanBook, cameras: Cameras, departures: Departures, check: Callable[[CameraPlan], None]
    ) -> None:
        self._book = book
        self._cameras = cameras
        self._departures = departures
        self._check = check

    def all(self) -> tuple[ManagedCamera, ...]:
        """Return every camera that is named, plays or gave frames, by name."""
        leaving = self._departures.names
        return tuple(self._managed(counts) for counts in self._cameras.counts() if counts.camera_id not in leaving)

    def find(self, camera_id: str) -> ManagedCamera | None:
        """Return one of them. Raises BadName."""
        checked_name("camera", camera_id)
        return next((one for one in self.all() if one.counts.camera_id == camera_id), None)

    def get(self, camera_id: str) -> ManagedCamera:
        """Return one of them. Raises BadName, or UnknownCamera, which names no other camera: not everybody may know of all."""
        if (found := self.find(camera_id)) is None:
            raise UnknownCamera(camera_id, None)
        return found

    async def put(
        self, who: str, camera_id: str, table: Mapping[str, Any], wanted: Wanted = ANYHOW
    ) -> tuple[ManagedCamera, bool]:
        """Set all that is set for a camera, and add it where nobody names it; return it, and whether it was added.

        Raises BadRequest, ChangedMeanwhile, or as `PlanBook.edit` does.
        """
        added = self._book.entry(camera_id) is None

        def edit(entry: BookEntry | None) -> CameraPlan:
            wanted.check(camera_id, self.find(camera_id))
            # Whoever sets the rest again and again, as tools do, does not wake a camera that somebody has paused.
            pause = {"paused": entry is not None and entry.plan.paused}
            return self._checked(plan_of(camera_id, pause | dict(_with_password(table, entry))))

        return await self._edited(who, camera_id, edit), added

    async def patch(
        self, who: str, camera_id: str, changes: Mapping[str, Any], wanted: Wanted = ANYHOW
    ) -> ManagedCamera:
        """Set what is named for a camera and leave the rest. Raises UnknownCamera, or as `put` does."""

        def edit(entry: BookEntry | None) -> CameraPlan:
            camera = self.get(camera_id)
            wanted.check(camera_id, camera)
            return self._checked(changed_plan(camera.entry.plan, _with_password(changes, entry)))

        return await self._edited(who, camera_id, edit)

    async def pause(self, who: str, camera_id: str, *, paused: bool) -> ManagedCamera:
        """Pause a camera, or let it go on. Raises UnknownCamera, OwnedElsewhere or DiskFull."""
        self.get(camera_id)
        await self._book.pause(camera_id, paused=paused)
        log.info("camera paused" if paused else "camera resumed", camera=camera_id, token_name=who)
        return self.get(camera_id)

    async def remove(self, who: str, camera_id: str, wanted: Wanted = ANYHOW) -> None:
        """Remove a camera; what was accepted of it is delivered. Raises UnknownCamera, or as `put` does."""

        def edit(_: BookEntry | None) -> None:
            wanted.check(camera_id, self.get(camera_id))

        if self._book.entry(camera_id) is None:
            edit(None)
            self._departures.leave(camera_id)
        else:
            await self._book.edit(camera_id, edit)
        log.info("camera removed", camera=camera_id, token_name=who)

    async def _edited(self, who: str, camera_id: str, edit: Callable[[BookEntry | None], CameraPlan]) -> ManagedCamera:
        checked_name("camera", camera_id)
        before = self._book.plan(camera_id)
        entry = await self._book.edit(camera_id, edit)
        assert entry is not None
        if entry.plan != before:
            old, new = {} if before is None else shown_table(before), shown_table(entry.plan)
            changed = {
                name: new.get(name) for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)
            }
            if before is not None and before.source != entry.plan.source:
                # A new password alone is a change that shows nowhere else.
                changed["source"] = new.get("source")
            log.info(
                "camera added" if before is None else "camera changed", camera=camera_id, token_name=who, set=changed
            )
        return self.get(camera_id)

    def _checked(self, plan: CameraPlan) -> CameraPlan:
        self._check(plan)
        return plan

    def _managed(self, counts: CameraCounts) -> ManagedCamera:
        name = counts.camera_id
        return ManagedCamera(counts, self._book.entry(name) or BookEntry(CameraPlan(name), Origin.POSTS))


def _with_password(table: Mapping[str, Any], entry: BookEntry | None) -> Mapping[str, Any]:
    """Return the table with the source's password in its place, where the source stands as it was shown.

    Raises BadRequest where nobody knows which password was meant.
    """
    given = table.get("source")
    if not isinstance(given, str) or HIDDEN not in given:
        return table
    known = None if entry is None else entry.plan.source
    if known is not None and redacted(known) == given:
        return {**table, "source": known}
    raise BadRequest(f"source: {HIDDEN} stands where a password was hidden; write the password itself")
