"""Sources that are pulled instead of posted: folders of pictures, videos, network cameras, webcams.

    with open_source("samples/kitchen", fps=2, loop=True) as source:
        async for frame in play(source):
            ...

`taxon camera` and the edge's own sources are these.
"""

from __future__ import annotations

from shared.contract.pictures import SourceFrame
from shared.sources.opening import open_source
from shared.sources.playing import play
from shared.sources.types import Source

__all__ = ["Source", "SourceFrame", "open_source", "play"]
