"""How often a seeing camera is called blind or frozen, and how often a blind or frozen one is not noticed.

    python -m benchmarks.sight --data DIR [--split test] [--most 400]

`--split training` has the pictures that the thresholds of `edge_encoder.sight` were chosen on, `test` others.
The pictures are real ones: rooms of NYUv2, of houses and of Places, and the frames of a fixed camera. What happens to a
camera is done to them: night and fog, a cap, a cloth, too much light, a program that repeats its last picture, each with
a sensor's noise and JPEG's losses. Freezes are judged over a minute of frames, by the clock that the frames say.
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from edge_encoder.encoding.preprocess import preprocess, preprocess_pixels
from edge_encoder.sight.look import look_at
from edge_encoder.sight.sights import Sight, Sights, sight_of
from shared.contract.geometry import InputSize

SIZE = InputSize(256, 256)
FPS, FREEZE_SECONDS = 10, 45
GAMMA = 2.2

Pixels = NDArray[np.uint8]


class Damage:
    """What can happen to a camera, done to a picture of one that sees. random: the noise, and where a cloth lies."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random

    def night(self, picture: Image.Image, stops: float) -> Image.Image:
        """Take so many stops of light away, and leave the sensor's noise."""
        linear = (_floats(picture) / 255) ** GAMMA * 2.0**-stops
        return self._taken(255 * linear ** (1 / GAMMA) + 3.0, 3.0)

    def fog(self, picture: Image.Image, contrast: float) -> Image.Image:
        return self._taken(200 + (_floats(picture) - 200) * contrast, 1.5)

    def overexposed(self, picture: Image.Image, stops: float) -> Image.Image:
        linear = ((_floats(picture) + 4) / 255) ** GAMMA * 2.0**stops
        return self._taken(255 * linear ** (1 / GAMMA), 2.0)

    def sun(self, picture: Image.Image) -> Image.Image:
        """Too much light, of which some has no form, because the lens scatters it."""
        return self.overexposed(Image.fromarray(np.asarray(picture) // 2 + 40), 10)

    def cap(self, picture: Image.Image) -> Image.Image:
        dark = np.full(_floats(picture).shape, self._random.uniform(0, 20))
        return self._taken(dark, self._random.uniform(0.5, 6.0))

    def cloth(self, picture: Image.Image) -> Image.Image:
        """Light without form: what is before the camera, blurred beyond recognition, and darker to one side."""
        side = 64
        blurred = picture.resize((side, side)).filter(ImageFilter.GaussianBlur(side * self._random.uniform(0.12, 0.4)))
        light = _floats(blurred.resize(picture.size, Image.Resampling.BICUBIC)) * self._random.uniform(0.1, 1.0)
        light *= self._random.uniform(0.5, 1.0, 3)
        flat = light.mean(axis=(0, 1))
        light = flat + (light - flat) * self._random.uniform(0.1, 0.7)
        height, width = light.shape[:2]
        fall = self._random.uniform(0.0, 0.3, 2)
        y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
        return self._taken(light * (1 - fall[0] * y - fall[1] * x)[..., None], self._random.uniform(0.5, 5.0))

    def noise(self, picture: Image.Image, sigma: float) -> Image.Image:
        return self._taken(_floats(picture), sigma)

    def _taken(self, light: NDArray[np.float64], sigma: float) -> Image.Image:
        noisy = light + self._random.normal(0.0, sigma, light.shape)
        return Image.fromarray(np.clip(np.round(noisy), 0, 255).astype(np.uint8))


def _floats(picture: Image.Image) -> NDArray[np.float64]:
    return np.asarray(picture, np.float64)


def with_clock(picture: Image.Image, text: str) -> Image.Image:
    """Return the picture as cameras give it that write their name and a clock into it."""
    shown = picture.copy()
    ImageDraw.Draw(shown).text((8, 8), text, "white", font_size=max(10, picture.height // 20))
    return shown


def jpeg(picture: Image.Image, quality: int = 75) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def by_jpeg(pictures: Iterable[Image.Image], quality: int = 75) -> Iterator[Pixels]:
    return (preprocess(jpeg(one, quality), SIZE).pixels for one in pictures)


def by_h264(pictures: Sequence[Image.Image], crf: int, key_frame_seconds: int) -> Iterator[Pixels]:
    """Give the frames as a camera's stream has them, a key frame every so many seconds."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        stream.options = {
            "crf": str(crf),
            "g": str(FPS * key_frame_seconds),
            "preset": "veryfast",
            "tune": "zerolatency",
        }
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture, np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as played:
        for frame in played.decode(video=0):
            yield preprocess_pixels(np.ascontiguousarray(frame.to_ndarray(format="rgb24"), np.uint8), SIZE).pixels


def judge(name: str, pictures: Iterable[Image.Image], wanted: Sequence[Sight]) -> None:
    """Print how many single pictures are called something else than wanted."""
    counts = Counter(sight_of(look_at(pixels), Sight.CLEAR) for pixels in by_jpeg(pictures))
    wrong = {str(sight): count for sight, count in counts.items() if sight not in wanted}
    total = counts.total()
    print(f"{name:52} {total:5} pictures, wrong {100 * sum(wrong.values()) / total:5.1f} %  {wrong or ''}", flush=True)


def judge_minute(name: str, frames: Iterable[Pixels]) -> None:
    """Print for how much of the time after half a minute a sequence is called frozen."""
    now = [0.0]
    sights = Sights(lambda: now[0])
    seen: list[bool] = []
    for pixels in frames:
        sights.see("camera", pixels)
        found = sights.of("camera")
        assert found is not None
        if now[0] > 32.0:
            seen.append(found.sight is Sight.FROZEN)
        now[0] += 1 / FPS
    print(f"{name:66} frozen {100 * float(np.mean(seen)):5.1f} % of {len(seen)} frames", flush=True)


def rooms_of(data: Path, split: str, most: int) -> dict[str, list[Path]]:
    """Return the files of the pictures, by where they come from."""
    with (data / "nyuv2" / "index.csv").open() as file:
        nyu = [row["index"].zfill(4) for row in csv.DictReader(file) if row["split"].startswith(split[:4])]
    with (data / "rooms" / "index.csv").open() as file:
        rooms = [row["file"] for row in csv.DictReader(file)][split == "test" :: 2]
    found = {
        "NYUv2": [data / "nyuv2" / "rgb" / f"{index}.jpg" for index in nyu],
        "rooms": [data / "rooms" / name for name in rooms],
    }
    if split == "test":
        found["houses"] = sorted((data / "houses").rglob("*.jp*g"))
        found["kitchen clip"] = sorted((data / "kitchen_clip" / "rgb").iterdir())
        found["fixed camera"] = sorted((data / "fixed_camera" / "rgb").iterdir())
    return {name: files[:: max(1, len(files) // most)] for name, files in found.items()}


def opened(files: Iterable[Path]) -> Iterator[Image.Image]:
    return (Image.open(file).convert("RGB") for file in files)


def judge_pictures(sets: dict[str, list[Path]], damage: Damage) -> None:
    print("pictures of a camera that sees, called blind:")
    for name, files in sets.items():
        judge(name, opened(files), [Sight.CLEAR])
    files = sets["NYUv2"]
    for stops in (2, 4, 6, 8):
        judge(
            f"NYUv2 by night, 1/{2**stops} of the light",
            (damage.night(one, stops) for one in opened(files)),
            [Sight.CLEAR],
        )
    for contrast in (0.3, 0.15, 0.08):
        judge(
            f"NYUv2 in fog, {contrast:.0%} of the contrast",
            (damage.fog(one, contrast) for one in opened(files)),
            [Sight.CLEAR],
        )
    close = (one.crop((one.width // 3, one.height // 3, one.width // 2, one.height // 2)) for one in opened(files))
    judge("NYUv2, the middle 1/6 by 1/6 alone (walls, close by)", close, [Sight.CLEAR])
    print("pictures of a camera that is blind, not noticed:")
    blind = [Sight.BLACK, Sight.COVERED, Sight.WHITE]
    kinds: list[tuple[str, Callable[[Image.Image], Image.Image], Sequence[Sight]]] = [
        ("cap", damage.cap, [Sight.BLACK]),
        ("cloth, hand, tape, paper", damage.cloth, blind),
        ("10 stops too much light", lambda one: damage.overexposed(one, 10), blind),
        ("the sun in the lens: 10 stops, and stray light", damage.sun, blind),
    ]
    for name, done, wanted in kinds:
        judge(name, map(done, opened(files)), wanted)
        judge(
            f"{name}, with a clock in it",
            (with_clock(done(one), "HALL 2026-11-25 12:00") for one in opened(files)),
            wanted,
        )


def judge_freezes(sets: dict[str, list[Path]], data: Path, damage: Damage) -> None:
    count = FPS * FREEZE_SECONDS
    yard = list(opened(sorted((data / "fixed_camera" / "rgb").iterdir())[:count]))
    rooms = [next(opened([file])).resize((640, 480)) for file in sets["NYUv2"][3::97][:3]]
    print("a camera that sees, called frozen:")
    judge_minute("fixed camera, as it is", by_jpeg(yard, 90))
    judge_minute("fixed camera, JPEG of quality 20", by_jpeg(yard, 20))
    for crf in (28, 38, 45):
        judge_minute(f"fixed camera, H.264 crf {crf}, key frames every 25 s", by_h264(yard, crf, 25))
    for number, room in enumerate(rooms):
        for sigma in (0.5, 2.0):
            quiet = [damage.noise(room, sigma) for _ in range(count)]
            judge_minute(f"quiet room {number}, noise {sigma}, JPEG of quality 50", by_jpeg(quiet, 50))
            for crf, key in ((28, 5), (38, 5), (38, 25), (45, 25)):
                judge_minute(
                    f"quiet room {number}, noise {sigma}, H.264 crf {crf}, key frames every {key} s",
                    by_h264(quiet, crf, key),
                )
    large = rooms[0].resize((3840, 2160), Image.Resampling.BICUBIC)
    few = [jpeg(damage.noise(large, 0.5), 50) for _ in range(6)]
    judge_minute(
        "quiet room 0, 3840x2160, noise 0.5, JPEG of quality 50",
        (preprocess(few[i % 6], SIZE).pixels for i in range(count)),
    )
    print("a camera that is frozen, noticed:")
    still = rooms[0]
    judge_minute("the same file", by_jpeg([still] * count))
    clocks = [with_clock(still, f"HALL 12:00:{i // FPS:02}") for i in range(count)]
    judge_minute("the same picture, made a JPEG again, with a clock", by_jpeg(clocks))
    judge_minute(
        "the same picture as a JPEG of quality 70 to 95 by turns",
        (p for i in range(count) for p in by_jpeg([still], 70 + i % 26)),
    )
    for crf in (23, 38):
        judge_minute(f"the same picture by H.264 crf {crf}, key frames every 5 s", by_h264([still] * count, crf, 5))


def time_of_look(files: Sequence[Path]) -> None:
    frames = list(by_jpeg(opened(files[:20])))
    sights, took = Sights(), []
    for number in range(2000):
        begin = time.process_time()
        sights.see("camera", frames[number % len(frames)])
        took.append(time.process_time() - begin)
    print(
        f"processor time of a frame: median {1e3 * float(np.median(took)):.3f} ms, mean {1e3 * float(np.mean(took)):.3f} ms"
    )


def main() -> None:
    """Print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with nyuv2/, rooms/, houses/, fixed_camera/")
    parser.add_argument("--split", choices=("training", "test"), default="test")
    parser.add_argument("--most", type=int, default=400, help="about so many pictures of each collection")
    parser.add_argument("--no-freezes", action="store_true", help="judge single pictures alone, which takes a minute")
    arguments = parser.parse_args()
    sets = rooms_of(arguments.data, arguments.split, arguments.most)
    damage = Damage(np.random.default_rng(18))
    time_of_look(sets["NYUv2"])
    judge_pictures(sets, damage)
    if not arguments.no_freezes:
        judge_freezes(sets, arguments.data, damage)


if __name__ == "__main__":
    main()
