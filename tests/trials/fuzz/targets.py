"""All targets, in the order in which they are run, and the share of the time that each takes."""

from __future__ import annotations

from collections.abc import Mapping

from tests.trials.fuzz.bitstreams import BitstreamTarget
from tests.trials.fuzz.bundles import BundleTarget
from tests.trials.fuzz.doors import DoorTarget
from tests.trials.fuzz.ingest import IngestTarget
from tests.trials.fuzz.requests import RequestTarget
from tests.trials.fuzz.target import Target
from tests.trials.fuzz.tokens import TokenTarget
from tests.trials.fuzz.uplinks import UplinkTarget

TARGETS: Mapping[str, type[Target]] = {
    one.name: one
    for one in (*(BitstreamTarget, BundleTarget, IngestTarget, UplinkTarget, RequestTarget, TokenTarget, DoorTarget),)
}
