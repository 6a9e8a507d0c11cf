"""How many bytes a frame does a video need for the same results as the bitstream?

    python -m benchmarks.video

    walk of a sample room --Encoder--> bitstreams --Decoder, heads--> results --agreement--> with the uncoded results
                        `--x265, SVT-AV1 at each quality--> video --decode, uncoded networks--> results --agreement--'

Each sequence is 60 frames with one key frame and no look-ahead: at one frame a second, that is a key frame a minute.
A walk is a moving camera. "Still" is one picture with fresh sensor noise in every frame, as a camera on a wall gives it.
Law: a video's bytes are read at the agreement that the bitstreams reach, between two qualities in the logarithm of the bytes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import Reference, TaskResult, results
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import preprocess
from shared.contract.geometry import InputSize
from shared.model.bundle import Bundle
from taxon.defaults import bundle_directory

ROOMS = ("bedroom", "kitchen", "living_room")
TASKS = ("segment_semantic", "normal")
NOISE = 2.0
"""Standard deviation of the still camera's noise, in grey levels of 255: about 42 dB, a good camera by day."""
SEED = 20261125
BATCH = 20
Images = NDArray[np.uint8]


@dataclass(frozen=True)
class VideoCodec:
    """An encoder of FFmpeg with one knob. qualities: from the fewest bytes to the most."""

    title: str
    encoder: str
    decoder: str
    qualities: tuple[int, ...]

    def options(self, quality: int) -> dict[str, str]:
        """Return FFmpeg's options for one quality: a constant quantiser, one key frame, no frame that waits for a later one."""
        if self.encoder == "libx265":
            return {"preset": "slow", "x265-params": f"qp={quality}:keyint=-1:bframes=0:rc-lookahead=0:log-level=error"}
        return {"preset": "6", "svtav1-params": f"rc=0:qp={quality}:keyint=-1:pred-struct=1:lp=2"}

    def code(self, images: Images, quality: int) -> tuple[int, Images]:
        """Return all bytes of the stream, and the pictures that it shows."""
        writer = cast(VideoCodecContext, av.CodecContext.create(self.encoder, "w"))
        writer.width, writer.height, writer.pix_fmt = images.shape[2], images.shape[1], "yuv420p"
        writer.framerate, writer.time_base = Fraction(1), Fraction(1)
        writer.options = self.options(quality)
        frames = [av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p") for image in images]
        packets = []
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, Fraction(1)
            packets += writer.encode(frame)
        packets += writer.encode(None)
        reader = cast(VideoCodecContext, av.CodecContext.create(self.decoder, "r"))
        shown = [frame for packet in packets for frame in reader.decode(packet)] + list(reader.decode(None))
        assert len(shown) == len(images), f"{len(shown)} of {len(images)} frames came back"
        return sum(packet.size for packet in packets), np.stack([frame.to_ndarray(format="rgb24") for frame in shown])


CODECS = (
    VideoCodec("x265", "libx265", "hevc", tuple(range(51, 8, -3))),
    VideoCodec("SVT-AV1", "libsvtav1", "libdav1d", tuple(range(63, 2, -5))),
)


def agreement(found: Sequence[TaskResult], expected: Sequence[TaskResult]) -> dict[str, float]:
    """Return how far results agree with the uncoded ones: share of equal class ids, and the normals' mean angle, negated."""
    ids, normals = (one.values for one in found)
    same = float(np.mean(ids == expected[0].values))
    cosine = np.clip(np.sum(normals * expected[1].values, axis=1), -1, 1)
    return {TASKS[0]: same, TASKS[1]: -float(np.degrees(np.arccos(cosine)).mean())}


def bytes_at(points: Sequence[tuple[float, float]], level: float) -> str:
    """Return the bytes at which a curve reaches a level, as text. points: bytes and agreement, from the fewest bytes to the most."""
    best = points[0]
    if best[1] >= level:
        return f"at most {best[0]:.0f}"
    for point in points[1:]:
        if point[1] >= level:
            share = (level - best[1]) / (point[1] - best[1])
            return f"{np.exp(np.interp(share, [0, 1], np.log([best[0], point[0]]))):.0f}"
        best = max(best, point, key=lambda one: one[1])
    return f"more than {points[-1][0]:.0f}"


def sequences(samples: Path, size: InputSize) -> Mapping[str, Images]:
    """Return the frames of each sequence, uint8 [60, H, W, 3]."""
    random = np.random.default_rng(SEED)
    found = {}
    for room in ROOMS:
        files = sorted((samples / room).glob("*.jpg"))
        walk = np.stack([preprocess(file.read_bytes(), size).pixels for file in files])
        found[f"{room}, walk"] = walk
        noise = random.normal(0, NOISE, walk.shape)
        found[f"{room}, still"] = np.clip(np.rint(walk[30] + noise), 0, 255).astype(np.uint8)
    return found


def main() -> None:
    """Print a row for each sequence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, default=Path("samples"))
    parser.add_argument("--bundle", type=Path, default=None)
    arguments = parser.parse_args()
    os.environ.setdefault("SVT_LOG", "1")  # its own report of every setting is forty lines a quality
    bundle = Bundle.load(bundle_directory(arguments.bundle))
    encoder, decoder = Encoder(bundle), Decoder(bundle)
    reference = Reference(decoder.graphs)
    rate = bundle.manifest.default_rate
    groups = [group.name for group in bundle.manifest.groups]
    print(
        "| sequence | agreement, classes and normals | bitstreams, bytes a frame |", *(f"{c.title} |" for c in CODECS)
    )

    def uncoded(images: Images) -> list[TaskResult]:
        parts = [reference.results(images[at : at + BATCH], TASKS) for at in range(0, len(images), BATCH)]
        return [
            TaskResult(one[0].task, np.concatenate([part.values for part in one])) for one in zip(*parts, strict=True)
        ]

    for name, images in sequences(arguments.samples, bundle.manifest.input).items():
        expected = uncoded(images)
        coded = [encoder.encode(image, groups, rate).bitstream for image in images]
        ours = agreement(results(decoder, coded, TASKS), expected)
        cells = []
        for codec in CODECS:
            curves: dict[str, list[tuple[float, float]]] = {task: [] for task in TASKS}
            for quality in codec.qualities:
                total, shown = codec.code(images, quality)
                for task, value in agreement(uncoded(shown), expected).items():
                    curves[task].append((total / len(images), value))
            cells.append(" / ".join(bytes_at(curves[task], ours[task]) for task in TASKS))
        levels = f"{100 * ours[TASKS[0]]:.1f} %, {-ours[TASKS[1]]:.1f}°"
        print(
            f"| {name} | {levels} | {sum(map(len, coded)) / len(coded):.0f} |",
            *(f"{cell} |" for cell in cells),
            flush=True,
        )


if __name__ == "__main__":
    main()
