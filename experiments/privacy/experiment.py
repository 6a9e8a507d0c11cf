"""The experiment: steal, train, judge, compare, and say all of it in one results file.

    Stolen --judge--> figures of every operating point, beside the controls --> results file --broken_laws--> what it breaks
        `--fingerprint--> how often the right picture is found

Law: validation frames choose and show that the attack has learned; test frames and shipped samples are judged once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch

from experiments.privacy.attack import as_pictures, decoded_pictures
from experiments.privacy.bitstreams import joined
from experiments.privacy.collection import Collection, collect_split
from experiments.privacy.controls import SmallPicture, mean_picture, others, small_picture
from experiments.privacy.equal_bytes import CODECS, fitted_files
from experiments.privacy.fingerprint import COPIES, THE_SAME, Found, copied, found_in
from experiments.privacy.judge import likeness
from experiments.privacy.pictures import VIEWS_SEED, SourcePicture
from experiments.privacy.steal import PrivacySetup, Stolen
from shared.model.bundle import Bundle

JUDGED_SMALL = ("test", "samples")
"""The splits for which picture codecs of equal bytes are tried."""


def collect(setup: PrivacySetup, stolen: Stolen) -> dict[str, Any]:
    """The results file's content."""
    constant = mean_picture(stolen.splits["fit"])
    judged = {split: _judged(stolen, split, constant) for split in ("validation", "test", "samples")}
    for split in JUDGED_SMALL:
        for name, points in _small_pictures(setup, stolen, split, constant).items():
            judged[split]["small_pictures"][name] = [asdict(point) for point in points]
    return {
        "bundle": {
            "name": stolen.bundle.manifest.name,
            "version": stolen.bundle.manifest.version,
            "digest": stolen.bundle.digest.hex(),
        },
        "seeds": {"views": VIEWS_SEED, "attack": setup.training.seed},
        "training": asdict(setup.training)
        | {
            "parameters": stolen.attack.parameters,
            "chosen_step": stolen.attack.chosen.step,
            "checks": [asdict(check) for check in stolen.attack.checks],
        },
        "frames": {split: len(frames) for split, frames in stolen.splits.items()},
        "sources": {split: len(sources) for split, sources in setup.sources.items()},
        "input_px": stolen.bundle.manifest.input.height,
        "stages": list(stolen.stages),
        "splits": judged,
        "fingerprint": _fingerprint(setup, stolen),
    }


def _judged(stolen: Stolen, split: str, constant: torch.Tensor) -> dict[str, Any]:
    """The attack and the controls that need no picture codec, on one split."""
    frames = stolen.splits[split]
    every = np.arange(len(frames))
    wanted = as_pictures(frames.take("picture", every))
    no_bits = likeness(constant.expand(len(frames), -1, -1, -1), wanted)
    points = []
    for stage in range(stolen.rates):
        made = decoded_pictures(stolen.attack.network, frames, stage, every, stolen.device)
        sizes = frames.bytes_of(stage)
        points.append({
            "rate": stage,
                    "operating_point": stolen.stages[stage],
            "bytes": float(sizes.mean()),
            "bpp": float(8 * sizes.mean() / wanted[0, 0].numel()),
            "attack": likeness(made, wanted).as_json(),
            "another": likeness(made[others(len(made))], wanted).as_json(),
        })  # fmt: skip
    unrounded = decoded_pictures(stolen.attack.network, frames, stolen.rates, every, stolen.device)
    return {
        "no_bits": no_bits.as_json(),
        "unrounded": likeness(unrounded, wanted).as_json(),
        "points": points,
        "small_pictures": {},
    }


def _small_pictures(
    setup: PrivacySetup, stolen: Stolen, split: str, constant: torch.Tensor
) -> dict[str, list[SmallPicture]]:
    """{codec: a point for each operating point}."""
    frames = stolen.splits[split]
    pictures = frames.take("picture", np.arange(len(frames)))
    budgets = np.stack([frames.bytes_of(stage) for stage in range(stolen.rates)], 1).tolist()
    wanted = as_pictures(pictures)
    found = {}
    for codec in CODECS:
        files = fitted_files(setup.folder / "files" / split, list(pictures), budgets, codec, setup.workers)
        found[codec.name] = [small_picture([of[r] for of in files], wanted, constant) for r in range(stolen.rates)]
    return found


def _fingerprint(setup: PrivacySetup, stolen: Stolen) -> dict[str, Any]:
    """{copy: [Found of each operating point]}: test bitstreams against a gallery of the copies and every other whole picture."""
    found: dict[str, Any] = {}
    for name in COPIES:
        copies = stolen.splits["test"]
        if name != THE_SAME:
            sources = [
                SourcePicture(f"{one.name}, {name}", partial(copied, one, name), 1) for one in setup.sources["test"]
            ]
            folder = setup.folder / f"test, {name}"
            copies = collect_split(folder, setup.bundle, sources, False, setup.workers, f"test pictures, {name}")
        found[name] = [asdict(_found(stolen, stage, copies)) for stage in range(stolen.rates)]
    return found


def _found(stolen: Stolen, stage: int, copies: Collection) -> Found:
    test = stolen.splits["test"]
    fit, validation = stolen.splits["fit"], stolen.splits["validation"]
    whole = np.flatnonzero(np.asarray(fit.numbers) == 0)
    distractors = joined([fit.seen(stage, whole), validation.seen(stage, np.arange(len(validation)))])
    every = np.arange(len(test))
    return found_in(test.seen(stage, every), copies.seen(stage, every), distractors)


def broken_laws(found: Mapping[str, Any], bundle: Bundle) -> list[str]:
    """Say in words which laws a results file breaks; none where its figures mean something.

    On validation frames the attack must beat the constant picture and another frame's bitstream, in PSNR and in SSIM, at every operating
    point; and the file must be of this very bundle.
    """
    broken = []
    if found["bundle"]["digest"] != bundle.digest.hex():
        broken.append(
            f"the results are of a bundle with the digest {found['bundle']['digest'][:12]}, not of {bundle.id}"
        )
    validation = found["splits"]["validation"]
    for point in validation["points"]:
        for name, control in (("no bits", validation["no_bits"]), ("another frame's bits", point["another"])):
            for figure in ("psnr_db", "ssim"):
                if point["attack"][figure] <= control[figure]:
                    broken.append(
                        f"at {point['operating_point']} the attack's {figure} of {point['attack'][figure]} on validation frames is not "
                        f"above {control[figure]} of {name}: it has learned nothing, and its figures say nothing"
                    )
    return broken
