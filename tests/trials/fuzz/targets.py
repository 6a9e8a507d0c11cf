"""All targets, in the order in which they are run, and the share of the time that each takes."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fuzz.bitstreams import BitstreamTarget
from tests.fuzz.bundles import BundleTarget
from tests.fuzz.doors import DoorTarget
from tests.fuzz.ingest import IngestTarget
from tests.fuzz.requests import RequestTarget
from tests.fuzz.target import Target
from tests.fuzz.tokens import TokenTarget
from tests.fuzz.uplinks import UplinkTarget

TARGETS: Mapping[str, type[Target]] = {
    one.name: one
    for one in (*(BitstreamTarget, BundleTarget, IngestTarget, UplinkTarget, RequestTarget, TokenTarget, DoorTarget),)
}
