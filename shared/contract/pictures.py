"""Pictures on their way from a source to an edge.

    source --play--> SourceFrame --> CameraClient or the edge's own queue

Law: the capture times of one source's frames rise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Picture = bytes | NDArray[np.uint8]
"""A picture file's bytes (JPEG, PNG or WebP), or upright RGB as uint8 [H, W, 3]."""


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """A frame at the moment when it is due. capture_time_us: microseconds since 1970 (UTC)."""

    picture: Picture = field(repr=False)
    capture_time_us: int
