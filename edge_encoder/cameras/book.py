"""The book of cameras: what holds for each, whoever named it, and who is told when that changes.

    command line --+
    cameras' file -+--> PlanBook --entry, plan--> queue, budget, players, API
    API, kept -----+              --on_change(camera)--> whoever must act on it

A camera belongs to who names it: the command line before the file, the file before the API. The API changes its own
cameras and refuses the others', which are changed where they stand. It pauses and resumes every camera.

Laws: a change is on the disk before it holds, and holds over restarts. What the disk does not take changes nothing.
A camera that the file or the command line comes to name is theirs from then on, and what the API had set is forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from edge_encoder.cameras.kept import KeptFile, KeptPlans
from edge_encoder.cameras.plan import CameraPlan
from shared.contract.packets import checked_name
from shared.errors import BadRequest, Busy, OwnedElsewhere, UnknownCamera
from shared.telemetry.logs import logger

log = logger("edge.cameras")


class Origin(StrEnum):
    """The place where a camera is named; also the word of the API's answer. POSTS: nowhere, it just posts."""

    COMMAND_LINE = "command_line"
    FILE = "file"
    API = "api"
    POSTS = "posts"


@dataclass(frozen=True)
class BookEntry:
    """A camera of the book. plan: as it holds now. held: paused by the API, although another origin names it."""

    plan: CameraPlan
    origin: Origin
    held: bool = False


Edit = Callable[[BookEntry | None], CameraPlan | None]
"""Makes a camera's new plan of its entry, None for no plan; what it raises leaves the book as it was."""


class PlanBook:
    """The cameras that are named. It belongs to the loop.

    fixed: the command line's plans. filed: the file's at the start. most: the bound of their number, all origins together.
    kept: None keeps nothing over a restart. admitted: cameras of which the command line says no more than that they are
    taken, so that anybody may set them. Raises FolderError where what was kept cannot be read, or DiskFull.
    """

    def __init__(
        self,
        fixed: Iterable[CameraPlan] = (),
        filed: Iterable[CameraPlan] = (),
        most: int = 1000,
        kept: KeptFile | None = None,
        admitted: Iterable[str] = (),
    ) -> None:
        self._admitted = tuple(admitted)
        self._fixed = {plan.camera_id: plan for plan in fixed}
        self._filed = {plan.camera_id: plan for plan in filed}
        self._most = most
        self._file = kept
        self._changing = asyncio.Lock()
        self._listeners: list[Callable[[str], None]] = []
        found = KeptPlans() if kept is None else kept.read()
        self._kept = self._without_owned(found)
        if kept is not None and self._kept != found:
            kept.write(self._kept)
        self._entries = self._all_entries()

    @property
    def most(self) -> int:
        """The bound of their number."""
        return self._most

    @property
    def entries(self) -> Mapping[str, BookEntry]:
        """The cameras by name."""
        return self._entries

    @property
    def command_line_names(self) -> frozenset[str]:
        """The cameras that the command line names, which a file must not name again."""
        return frozenset(self._fixed)

    def entry(self, camera_id: str) -> BookEntry | None:
        """Return a camera's entry, None where nobody names it."""
        return self._entries.get(camera_id)

    def plan(self, camera_id: str) -> CameraPlan | None:
        """Return what holds for a camera now; None leaves all to the service's settings."""
        entry = self._entries.get(camera_id)
        return None if entry is None else entry.plan

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the name of each camera whose plan has changed, come or gone."""
        self._listeners.append(listener)

    async def edit(self, camera_id: str, edit: Edit) -> BookEntry | None:
        """Change, add or remove one of the API's cameras; return its entry, None for a removed one.

        Raises what `edit` raises, BadName, OwnedElsewhere, Busy where there are too many cameras, or DiskFull.
        """
        checked_name("camera", camera_id)
        async with self._changing:
            entry = self._entries.get(camera_id)
            plan = edit(entry)
            if entry is not None and entry.origin is not Origin.API and not self._is_free(camera_id, plan):
                raise OwnedElsewhere(camera_id, _PLACES[entry.origin])
            if entry is None and plan is not None and len(self._entries) >= self._most:
                raise Busy(f"this edge has {self._most} cameras already; remove one, or raise most_cameras")
            plans = {name: kept for name, kept in self._kept.plans.items() if name != camera_id}
            if plan is not None:
                plans[camera_id] = replace(plan, camera_id=camera_id)
            await self._keep(replace(self._kept, plans=plans))
        return self._entries.get(camera_id)

    async def put(self, plan: CameraPlan) -> BookEntry:
        """Let this plan hold for its camera. Raises as `edit` does."""
        entry = await self.edit(plan.camera_id, lambda _: plan)
        assert entry is not None
        return entry

    async def remove(self, camera_id: str) -> None:
        """Forget a camera. Raises UnknownCamera, or as `edit` does."""

        def gone(entry: BookEntry | None) -> None:
            if entry is None:
                raise UnknownCamera(camera_id, self._entries)

        await self.edit(camera_id, gone)

    async def pause(self, camera_id: str, *, paused: bool) -> BookEntry:
        """Pause a camera, or let it go on; any camera, also one that only posts.

        Raises OwnedElsewhere where another origin has paused it for good, or as `edit` does.
        """
        entry = self._entries.get(camera_id)
        if entry is None or entry.origin is Origin.API or self._is_free(camera_id, entry.plan):
            plan = CameraPlan(checked_name("camera", camera_id)) if entry is None else entry.plan
            return await self.put(replace(plan, paused=paused))
        async with self._changing:
            held = self._kept.held - {camera_id} | ({camera_id} if paused else set())
            base = self._fixed.get(camera_id) or self._filed.get(camera_id)
            if base is not None and base.paused and not paused:
                raise OwnedElsewhere(camera_id, _PLACES[entry.origin])
            await self._keep(replace(self._kept, held=held))
        return self._entries[camera_id]

    async def take_file(self, plans: Iterable[CameraPlan]) -> tuple[str, ...]:
        """Let the file name these cameras and no others; return those that have changed, come or gone.

        Raises BadRequest for one that the command line names, Busy where there are too many, or DiskFull.
        """
        filed = {plan.camera_id: plan for plan in plans}
        async with self._changing:
            if twice := sorted(filed.keys() & self._fixed.keys()):
                raise BadRequest(f"camera {twice[0]}: the command line names it already; name it in one place")
            before = self._entries
            earlier, self._filed = self._filed, filed
            try:
                kept = self._without_owned(self._kept)
                if len({*filed, *self._fixed, *kept.plans, *self._admitted}) > self._most:
                    raise Busy(f"there would be more than {self._most} cameras; name fewer, or raise most_cameras")
                await self._keep(kept)
            except BaseException:
                self._filed = earlier
                raise
        return _differing(before, self._entries)

    def _is_free(self, camera_id: str, plan: CameraPlan | None) -> bool:
        """Return whether the command line only admits the camera; then it may be given a plan, but not be removed."""
        owned = camera_id in self._fixed or camera_id in self._filed
        return not owned and camera_id in self._admitted and plan is not None

    def _without_owned(self, kept: KeptPlans) -> KeptPlans:
        """Return what is kept, without the plans of cameras that others name; a pause whose camera nobody names stays."""
        owned = self._fixed.keys() | self._filed.keys()
        plans = {name: plan for name, plan in kept.plans.items() if name not in owned}
        for name in kept.plans.keys() & owned:
            log.warning("a camera that was set at run time is named elsewhere now, which holds", camera=name)
        held = {name for name in kept.held if name in owned}
        held |= {name for name in kept.plans.keys() & owned if kept.plans[name].paused}
        plans |= {name: CameraPlan(name, paused=True) for name in kept.held - owned}
        return KeptPlans(plans, frozenset(held))

    async def _keep(self, kept: KeptPlans) -> None:
        """Write what is to hold, let it hold, and tell whoever listens."""
        if self._file is not None and kept != self._kept:
            await asyncio.to_thread(self._file.write, kept)
        before, self._kept = self._entries, kept
        self._entries = self._all_entries()
        for name in _differing(before, self._entries):
            for listener in self._listeners:
                listener(name)

    def _all_entries(self) -> dict[str, BookEntry]:
        found = {name: BookEntry(CameraPlan(name), Origin.COMMAND_LINE) for name in self._admitted}
        found |= {name: BookEntry(plan, Origin.API) for name, plan in self._kept.plans.items()}
        for origin, plans in ((Origin.FILE, self._filed), (Origin.COMMAND_LINE, self._fixed)):
            for name, plan in plans.items():
                held = name in self._kept.held
                found[name] = BookEntry(replace(plan, paused=plan.paused or held), origin, held)
        return dict(sorted(found.items()))


_PLACES = {Origin.COMMAND_LINE: "the edge's command line", Origin.FILE: "the edge's cameras file"}


def _differing(before: Mapping[str, BookEntry], after: Mapping[str, BookEntry]) -> tuple[str, ...]:
    return tuple(name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name))
