"""Follows the cameras' file: a change of it is taken while the edge runs.

    every second: is it another file now, and the same as a second ago? --read--> PlanBook.take_file

Kubernetes swaps a link, Ansible renames a file, an editor writes into it: all of these are changes. A file that is still
being written is left alone until it rests.

Law: a file that cannot be taken changes nothing; it is logged once, with its line, and shown as long as it stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edge_encoder.cameras.book import PlanBook
from edge_encoder.cameras.file import CamerasFile
from shared.errors import TaxonError
from shared.telemetry.logs import logger
from shared.transport.secret_files import Stamp

LOOK_SECONDS = 1.0

log = logger("edge.cameras")


class FileWatch:
    """Watches the file of a book, which has its cameras already. show: is told whether the file stands refused."""

    def __init__(
        self,
        file: CamerasFile,
        book: PlanBook,
        show: Callable[[bool], None],
    ) -> None:
        self._file = file
        self._book = book
        self._show = show
        self._taken = self._seen = file.stamp()
        self._at_work = asyncio.Lock()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while self._file.paths:
            await asyncio.sleep(LOOK_SECONDS)
            stamp = await asyncio.to_thread(self._file.stamp)
            rests, self._seen = stamp == self._seen, stamp
            if rests and stamp != self._taken:
                try:
                    await self._take(stamp)
                except TaxonError as error:
                    log.error("cameras file refused, what it said before holds", reason=str(error))

    async def reload(self) -> None:
        """Read the file at once. Raises SettingsRefused, Busy or DiskFull, and then changes nothing."""
        if self._file.paths:
            await self._take(await asyncio.to_thread(self._file.stamp))

    async def _take(self, stamp: Stamp | None) -> None:
        async with self._at_work:
            # Whether or not it is taken, it is looked at again only when it changes.
            self._taken = stamp
            try:
                plans = await asyncio.to_thread(self._file.read)
                changed = await self._book.take_file(plans)
            except TaxonError:
                self._show(True)
                raise
            self._show(False)
        if changed:
            log.info("cameras file taken", changed=list(changed), cameras=len(plans))
