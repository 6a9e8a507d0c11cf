"""Encode a photo and decode it again, without any service, at every operating point.

    python examples/offline_codec.py photo.jpg

It needs the extra `cpu`; the networks come with the package.
"""

from __future__ import annotations

import sys

import numpy as np

from taxon import Codec, TaxonError


def main(photo: str) -> None:
    codec = Codec.load()
    finest = codec.decode(codec.encode(photo, rate=3))
    for point in codec.bundle.manifest.operating_points:
        data = codec.encode(photo, rate=point.rate)
        found = codec.decode(data)
        scene = found["class_scene"][0]
        cosine = np.clip((found["normal"] * finest["normal"]).sum(axis=-1), -1, 1)
        angle = np.degrees(np.arccos(cosine)).mean()
        print(
            f"rate {point.rate}: {len(data)} bytes, {scene.label} {scene.probability:.0%}, normals off by {angle:.1f}°"
        )

    labels = codec.labels("segment_semantic")
    classes, pixels = np.unique(finest["segment_semantic"], return_counts=True)
    shares = sorted(zip(pixels / pixels.sum(), classes, strict=True), reverse=True)
    print("segmentation:", ", ".join(f"{labels[index]} {share:.0%}" for share, index in shares[:5]))

    # The semantic tasks alone need fewer bytes, and a group that was not sent is not decoded.
    semantic = codec.encode(photo, groups=["semantic"])
    print(f"semantic group alone: {len(semantic)} bytes, {', '.join(codec.decode(semantic))}")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except TaxonError as error:
        sys.exit(f"offline_codec: {error}")
