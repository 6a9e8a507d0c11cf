"""All subscribers of this cloud: who may subscribe to what, and what there is.

    Wish --checked--> a Feed of the bus, and a wish among `Wishes` --> Subscription

The gRPC service and the wall both use exactly this.
Laws: an id has one subscription; a subscriber that comes back takes its own place. Where all places are taken, nobody
loses one to a caller that has more of them.
"""

from __future__ import annotations

import asyncio

from cloud_analytics.analysis.catalogue import Catalogue
from cloud_analytics.results.bus import ResultBus
from cloud_analytics.subscribers.subscription import Subscription
from cloud_analytics.uplink.edges import Uplinks
from cloud_analytics.wishes import Wishes
from shared.contract.descriptions import BundleInfo, CameraInfo
from shared.contract.packets import checked_name
from shared.contract.wishes import SubscriberWish
from shared.errors import BadRequest, BusAway, Busy, Draining, LogUnavailable, Superseded, TaxonError, UnknownCamera
from shared.server.access.places import SharedPlaces
from shared.telemetry.logs import logger

log = logger("cloud.results")
MOST_HOLD_SECONDS = 300.0
MOST_SIDE_PIXELS = 65536
MOST_TOP_CLASSES = 100_000
MOST_NAMED = 50
"""The most cameras that a refusal lists."""
MOST_NAMES = 10_000
"""The most cameras of one wish, and the most tasks."""


class Subscriptions:
    """The subscriptions of one cloud process. most: the most subscribers at once."""

    def __init__(self, catalogue: Catalogue, uplinks: Uplinks, bus: ResultBus, wishes: Wishes, most: int) -> None:
        self._catalogue = catalogue
        self._uplinks = uplinks
        self._bus = bus
        self._frames = bus.frames
        self._wishes = wishes
        self._places: SharedPlaces[str] = SharedPlaces(most, "subscribers")
        self._open: dict[str, Subscription] = {}
        self._is_draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        """Return how many subscriptions are open."""
        return len(self._open)

    async def subscribe(self, wish: SubscriberWish, holder: str = "") -> Subscription:
        """Begin from now, or after the wish's cursor.

        holder: the name of the caller's token, whose share of the places this one counts in.
        Raises UnknownCamera, UnknownName, BadName, BadRequest, Busy, BusAway or Draining.
        """
        try:
            await self._bus.catch_up(wish.cursor)
        except LogUnavailable as error:
            raise BusAway from error
        if self._is_draining:
            raise Draining
        self._check(wish)
        older = self._open.get(wish.subscription_id)
        feed = self._bus.open(wish.cursor, wish.cameras)
        try:
            self._take_place(wish.subscription_id, holder)
        except Busy as error:
            feed.end(error, drop=True)
            raise
        if older is not None:
            older.end(Superseded(wish.subscription_id), drop=True)
        subscription = Subscription(wish, feed, self._bus, self._wishes, self._change, self._close)
        self._open[wish.subscription_id] = subscription
        self._empty.clear()
        self._wishes.put(wish)
        try:
            # From here on the wish outlives a crash of this process too.
            await self._wishes.written()
        except BaseException:
            await subscription.close(hold=True)
            raise
        return subscription

    def cameras(self) -> tuple[CameraInfo, ...]:
        """Return every camera that ever sent a frame or that a connected edge has, by name.

        The numbers of a camera that has sent no frame are 0.
        """
        senders, logged = self._uplinks.senders, self._frames.cameras
        return tuple(self._camera(name, senders.get(name)) for name in sorted(logged.keys() | senders.keys()))

    def _camera(self, name: str, sender: str | None) -> CameraInfo:
        known = self._frames.cameras.get(name)
        if known is None:
            return CameraInfo(name, sender or "", True, 0, 0, 0)
        return CameraInfo(
            name,
            sender or known.edge_id,
            self._uplinks.connected(sender or known.edge_id),
            known.last_sequence,
            known.last_capture_time_us,
            known.last_received_time_us,
        )

    def describe(self) -> tuple[BundleInfo, ...]:
        """Return the bundles that are served, and their tasks."""
        return tuple(one.state() for one in self._catalogue.served.values())

    async def drain(self) -> None:
        """Take no new subscribers; give the others what is queued, and then Draining. Return when all are gone."""
        self._is_draining = True
        self._wishes.stopping()
        self.end_all(Draining())
        await self._empty.wait()

    def end_all(self, reason: TaxonError) -> None:
        """End all subscriptions after what is queued; their clients may come back, here or to another replica."""
        for subscription in tuple(self._open.values()):
            subscription.end(reason, drop=False)

    def taken(self, subscription_id: str) -> None:
        """End the subscription of a subscriber that is at another replica now, and forget its wish."""
        self._wishes.taken(subscription_id)
        subscription = self._open.pop(subscription_id, None)
        self._places.leave(subscription_id)
        if subscription is not None:
            subscription.end(Superseded(subscription_id), drop=True)
        if not self._open:
            self._empty.set()

    def _take_place(self, subscription_id: str, holder: str) -> None:
        """Take a place; a caller that has many loses its newest where all are taken. Raises Busy."""
        lost = self._places.take(holder, subscription_id)
        if lost is None:
            return
        reason = Busy(
            "all subscribers' places are taken, and this caller has the most of them: the place goes to another"
        )
        log.warning("subscriber lost its place", subscription=lost, to=subscription_id)
        loser = self._open.pop(lost, None)
        if loser is not None:
            self._wishes.drop(lost, hold=False)
            loser.end(reason, drop=True)

    def _change(self, subscription: Subscription, wish: SubscriberWish) -> None:
        self._check(wish)
        # A stream whose place was taken has no wish any more.
        if self._open.get(wish.subscription_id) is subscription:
            self._wishes.put(wish)

    async def _close(self, subscription: Subscription, hold: bool) -> None:
        name = subscription.wish.subscription_id
        if self._open.get(name) is not subscription:
            return
        del self._open[name]
        self._places.leave(name)
        self._wishes.drop(name, hold=hold)
        if not self._open:
            self._empty.set()
        await self._wishes.written()

    def _check(self, wish: SubscriberWish) -> None:
        checked_name("subscription", wish.subscription_id)
        if max(len(wish.cameras), len(wish.tasks)) > MOST_NAMES:
            raise BadRequest(f"a wish names at most {MOST_NAMES} cameras and as many tasks")
        known = self._frames.cameras.keys() | self._uplinks.senders.keys() if wish.cameras else frozenset[str]()
        for camera in wish.cameras:
            if camera not in known:
                raise UnknownCamera(checked_name("camera", camera), sorted(known)[:MOST_NAMED])
        self._catalogue.require_tasks(wish.tasks)
        for what, value, most in (
            ("longest_side_pixels", wish.longest_side_pixels, MOST_SIDE_PIXELS),
            ("top_classes", wish.top_classes, MOST_TOP_CLASSES),
            ("hold_seconds", wish.hold_seconds, MOST_HOLD_SECONDS),
        ):
            if not 0 <= value <= most:
                raise BadRequest(f"{what} is {value}; it can be 0 to {most:g}")
