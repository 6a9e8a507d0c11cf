"""The bundles that are served, and the heads beside them; both are found while the service runs.

    folder/<name>/<version>/            --load, warm--> ServedBundle, by digest
    folder/<name>/<version>.overlay/    --load, try---> its further tasks

Laws: a bundle is offered once its networks are warm. A broken one is logged and counted once, and tried again when its
files change. What is served stays served until the next start, also if its folder goes. A `ServedBundle` never changes:
a new head makes a new one, around the same open networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cloud_analytics.analysis.overlays import FOLDER_SUFFIX, Overlay, load_overlay, zero_latents
from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import Heads
from cloud_analytics.metrics.service import CloudMetrics
from shared.contract.descriptions import BundleInfo, TaskInfo
from shared.errors import BundleError, BundleMismatch, UnknownName
from shared.model.bundle import Bundle
from shared.model.manifest import MANIFEST
from shared.model.tasks import task_named
from shared.telemetry.logs import logger

log = logger("cloud.bundles")

Signature = tuple[tuple[str, int, int], ...]
"""Names, sizes and times of change of some files: it differs whenever one of the files does."""


@dataclass(frozen=True, eq=False)
class ServedBundle:
    """A bundle whose networks are open and warm. tasks: all its tasks by name, those of overlays too."""

    decoder: Decoder
    heads: Heads
    tasks: Mapping[str, TaskInfo]
    overlays: Mapping[str, Overlay] = field(default_factory=dict)

    @property
    def bundle(self) -> Bundle:
        """The bundle itself."""
        return self.decoder.bundle

    def state(self) -> BundleInfo:
        """Return what clients are told of it."""
        manifest = self.bundle.manifest
        points = tuple(point.name for point in manifest.operating_points)
        size, tasks = manifest.input, tuple(self.tasks.values())
        return BundleInfo(manifest.name, manifest.version, self.bundle.digest, size.width, size.height, tasks, points)

    def groups_of(self, tasks: frozenset[str]) -> frozenset[str]:
        """Return the groups that these tasks need; tasks of other bundles need none of this one."""
        return frozenset(self.tasks[task].group for task in tasks if task in self.tasks)


class Catalogue:
    """The catalogue of one folder.

    make_decoder: opens a checked bundle's networks, and raises TaxonError where it cannot.
    most_batch: the frames of the largest batch, for which the networks are warmed.
    """

    def __init__(
        self, folder: Path, make_decoder: Callable[[Bundle], Decoder], most_batch: int, metrics: CloudMetrics
    ) -> None:
        self._folder = folder
        self._make_decoder = make_decoder
        self._most_batch = most_batch
        self._metrics = metrics
        self._served: Mapping[bytes, ServedBundle] = {}
        self._seen: dict[Path, Signature] = {}

    @property
    def served(self) -> Mapping[bytes, ServedBundle]:
        """The bundles by digest; replaced as a whole when one is added, so that a reader's view does not change."""
        return self._served

    @property
    def tasks(self) -> frozenset[str]:
        """The names of all tasks of all bundles."""
        return frozenset(name for one in self._served.values() for name in one.tasks)

    def with_digest(self, digest: bytes) -> ServedBundle:
        """Return the bundle of that digest, which has 32 bytes. Raises BundleMismatch."""
        if digest not in self._served:
            raise BundleMismatch(digest, self._served)
        return self._served[digest]

    def require_tasks(self, tasks: tuple[str, ...]) -> None:
        """Raise UnknownName for a task of no bundle."""
        known = self.tasks
        for task in tasks:
            if task not in known:
                raise UnknownName("task", task, sorted(known))

    def scan(self) -> bool:
        """Look for what is new or changed, and return whether there was something.

        This blocks: it reads files and warms networks. Raises ProviderMissing for one that was asked for by name.
        """
        before = self._served
        for manifest in sorted(self._folder.glob(f"*/*/{MANIFEST}")):
            directory = manifest.parent
            if not directory.name.endswith(FOLDER_SUFFIX) and self._has_changed(directory):
                self._add_bundle(directory)
        for one in tuple(self._served.values()):
            self._scan_overlays(one)
        return self._served is not before

    def _has_changed(self, path: Path) -> bool:
        """Return True where the files differ from when this was last asked."""
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        try:
            stats = [(file, file.stat()) for file in files]
        except OSError:
            # A file went while its folder was read: the next look sees the folder as it is then.
            return False
        signature = tuple((str(file), stat.st_size, stat.st_mtime_ns) for file, stat in stats)
        if self._seen.get(path) == signature:
            return False
        self._seen[path] = signature
        return True

    def _add_bundle(self, directory: Path) -> None:
        try:
            bundle = Bundle.load(directory)
            if bundle.digest in self._served:
                return
            served = _opened(self._make_decoder(bundle), self._most_batch)
        except BundleError as error:
            self._metrics.bundles_refused.inc()
            log.error("bundle refused", bundle=str(directory), reason=str(error))
            return
        self._served = {**self._served, bundle.digest: served}
        manifest = bundle.manifest
        self._metrics.bundle_info.labels(manifest.name, manifest.version, bundle.digest.hex()).set(1)
        log.info("bundle served", bundle=bundle.id, tasks=sorted(served.tasks))

    def _scan_overlays(self, served: ServedBundle) -> None:
        directory = served.bundle.directory
        folder = directory.with_name(directory.name + FOLDER_SUFFIX)
        paths = sorted(folder.glob("*.onnx"))
        overlays = {name: one for name, one in served.overlays.items() if one.path in paths}
        for path in paths:
            if self._has_changed(path):
                overlays.pop(path.stem, None)
                overlays |= self._loaded(path, served.decoder)
        if overlays == served.overlays:
            return
        own = {name: task for name, task in served.tasks.items() if not task.overlay}
        tasks = own | {name: overlay.task for name, overlay in overlays.items()}
        self._served = {**self._served, served.bundle.digest: replace(served, tasks=tasks, overlays=overlays)}
        log.info("heads served", bundle=served.bundle.id, tasks=sorted(overlays))

    def _loaded(self, path: Path, decoder: Decoder) -> dict[str, Overlay]:
        try:
            overlay = load_overlay(path, decoder)
        except BundleError as error:
            self._metrics.bundles_refused.inc()
            log.error("head refused", head=str(path), reason=str(error))
            return {}
        return {overlay.task.name: overlay}


def _opened(decoder: Decoder, most_batch: int) -> ServedBundle:
    """Open and warm every network: run it with the largest batch and with one frame.

    TensorRT builds its engines for the range of batches that it sees here.
    """
    heads = Heads(decoder.graphs)
    manifest = decoder.bundle.manifest
    for frames in dict.fromkeys((most_batch, 1)):
        for group in manifest.groups:
            latents = zero_latents(decoder, group.name, frames)
            for task, feature in decoder.features(group.name, latents, group.tasks).items():
                heads.run(task, feature)
    tasks: dict[str, TaskInfo] = {}
    for group in manifest.groups:
        for name in group.tasks:
            promised = task_named(name)
            tasks[name] = TaskInfo(
                name,
                group.name,
                ",".join(map(str, promised.shape[1:])),
                promised.dtype,
                promised.unit,
                manifest.tasks[name].labels,
            )
    return ServedBundle(decoder, heads, tasks)
