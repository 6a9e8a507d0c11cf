"""`taxon evaluate --data DIR --split NAME` measures rates and tasks on labelled frames, from real bytes.

    frame --Encoder--> bytes --Decoder--> symbols (compared with the encoder's) --heads--> results --> figures
      |--Reference, once a frame--> results without any coding --> figures

Law: every figure of the coded column comes from the bytes that the rates count, and from nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import Reference, TaskResult, results
from edge_encoder.encoding.encoder import EncodedFrame, Encoder
from shared.model.bundle import Bundle
from taxon.codec import chosen_rate
from taxon.commands.common import add_bundle_option
from taxon.defaults import data_folder, load_bundle
from taxon.errors import InputError, UsageError
from taxon.evaluation import ConstantMeters, RateMeter, TaskMeters, labelled_tasks, operating_point_document, table
from taxon.files import require_writable, write_all
from taxon.results import sizes_of
from training.datasets import DataError, FrameDataset, LabelledFrame, open_dataset

DATA_ERRORS = (DataError, OSError, ValueError, KeyError, SyntaxError)
"""Errors of a damaged data set: DataError where it was foreseen, the others from csv, json and Pillow."""
TERMINAL_SECONDS, LOG_SECONDS = 0.2, 15.0
"""The times between two reports of the progress, on a terminal and elsewhere."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="a data set's folder, or its name in TAXON_DATA (default: TAXON_DATA)"
    )
    parser.add_argument(
        "--split", required=True, metavar="NAME", help="train, test, ...; an unknown name is answered with the list"
    )
    parser.add_argument("--rate", metavar="N|all", help="operating point, or all of them (default: the bundle's)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N frames")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    add_bundle_option(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.limit is not None and arguments.limit < 1:
        raise UsageError(f"--limit {arguments.limit}: at least one frame is needed")
    if arguments.json is not None:
        require_writable(arguments.json)
    bundle = load_bundle(arguments.bundle)
    rates = evaluated_rates(bundle, arguments.rate)
    dataset = opened(data_folder(arguments.data), arguments.split)
    evaluation = Evaluation(bundle, rates)
    frames = min(len(dataset), arguments.limit or len(dataset))
    for index in progress(range(frames), frames, "evaluate"):
        evaluation.add(labelled(dataset, index))
    report = evaluation.report(arguments.split)
    print(table(report))
    if arguments.json is not None:
        write_all({arguments.json: (json.dumps(report, indent=1) + "\n").encode()})
    return 0


def evaluated_rates(bundle: Bundle, given: str | None) -> tuple[int, ...]:
    """Return the operating points to measure, the default one first."""
    if given != "all":
        if given is not None and not given.isdigit():
            raise UsageError(f"--rate {given}: give an operating point's number, or all")
        return (chosen_rate(bundle, None if given is None else int(given)),)
    default = bundle.manifest.default_rate
    return (default, *(point.rate for point in bundle.manifest.operating_points if point.rate != default))


def opened(folder: Path | None, split: str) -> FrameDataset:
    """Open the data set; raises DataError or InputError saying what is missing."""
    if folder is None:
        raise UsageError("no data folder: give it with --data or TAXON_DATA")
    try:
        dataset = open_dataset(folder, split)
    except DataError:
        raise
    except DATA_ERRORS as error:
        raise InputError(f"{folder}: {error}") from error
    if len(dataset) == 0:
        raise InputError(f"{folder} has no frames in split {split!r}")
    return dataset


def labelled(dataset: FrameDataset, index: int) -> LabelledFrame:
    """Read one frame; raises InputError for a file that is missing or damaged."""
    try:
        return dataset[index]
    except DATA_ERRORS as error:
        raise InputError(f"frame {index}: {error}") from error


@dataclass(eq=False)
class Evaluation:
    """One pass over labelled frames, at several operating points of one bundle."""

    bundle: Bundle
    rates: Sequence[int]
    frames: int = 0
    lossless_frames: int = 0
    uncompressed: TaskMeters = field(default_factory=TaskMeters)
    constant: ConstantMeters = field(default_factory=ConstantMeters)

    def __post_init__(self) -> None:
        size = self.bundle.manifest.input
        self._encoder, self._decoder = Encoder(self.bundle), Decoder(self.bundle)
        self._reference = Reference(self._decoder.graphs)
        self._groups = tuple(group.name for group in self.bundle.manifest.groups)
        self._coded = {rate: TaskMeters() for rate in self.rates}
        self._rate_meters = {rate: RateMeter(size.width * size.height) for rate in self.rates}

    def add(self, frame: LabelledFrame) -> None:
        """Encode, decode and measure one frame at every operating point."""
        size = self.bundle.manifest.input
        if frame.image.shape != (size.height, size.width, 3):
            raise InputError(f"{frame.name}: the data set gives {frame.image.shape}, the bundle takes {size}")
        tasks = [task for task in labelled_tasks(frame) if task in self.bundle.manifest.tasks]
        encoded = self._encode(frame)
        self.lossless_frames += all(self._lossless(one) for one in encoded)
        for rate, one in zip(self.rates, encoded, strict=True):
            self._count(self._rate_meters[rate], one)
            measure(self._coded[rate], results(self._decoder, [one.bitstream], tasks), frame)
        measure(self.uncompressed, self._reference.results(frame.image[None], tasks), frame)
        self.constant.add(frame)
        self.frames += 1

    def report(self, split: str) -> dict[str, Any]:
        """Return the document that `--json` writes."""
        uncompressed, constant = self.uncompressed.figures(), self.constant.figures()
        return {
            "frames": self.frames,
            "lossless_frames": self.lossless_frames,
            "split": split,
            "bundle": self.bundle.id,
            "operating_points": [
                operating_point_document(rate, self._rate_meters[rate], self._coded[rate], uncompressed, constant)
                for rate in self.rates
            ],
        }

    def _encode(self, frame: LabelledFrame) -> list[EncodedFrame]:
        """Encode the frame at every operating point, as one batch."""
        images = np.repeat(frame.image[None], len(self.rates), axis=0)
        batches = self._encoder.analyse(images, self._groups, list(self.rates))
        return [
            self._encoder.code({name: batch.frame(position) for name, batch in batches.items()})
            for position in range(len(self.rates))
        ]

    def _lossless(self, encoded: EncodedFrame) -> bool:
        """Return True if the bytes decode to the encoder's symbols, every one of every group."""
        decoded = self._decoder.latents(encoded.bitstream)
        return len(decoded) == len(encoded.groups) and all(
            np.array_equal(group.latent.z, decoded[group.name].z)
            and np.array_equal(group.latent.v, decoded[group.name].v)
            for group in encoded.groups
        )

    def _count(self, meter: RateMeter, encoded: EncodedFrame) -> None:
        substreams = dict(sizes_of(self.bundle, encoded.bitstream).groups)
        for group in encoded.groups:
            meter.add_substream(group.name, group.cross_entropy_bits, group.payload_bytes, substreams[group.name])
        meter.add_frame(len(encoded.bitstream))


def measure(meters: TaskMeters, found: Sequence[TaskResult], frame: LabelledFrame) -> None:
    """Add one frame's results. found: the results of a batch of one frame."""
    for result in found:
        meters.add(result.task.name, result.values[0], frame)


def progress(items: Iterable[int], total: int, what: str, stream: TextIO | None = None) -> Iterator[int]:
    """Pass the items on, and write how far it is on one line: rewritten on a terminal, now and then elsewhere."""
    out = sys.stderr if stream is None else stream
    terminal = out.isatty()
    begun = reported = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if done < total and now - reported < (TERMINAL_SECONDS if terminal else LOG_SECONDS):
            continue
        reported = now
        speed = done / max(now - begun, 1e-9)
        left = round((total - done) / speed)
        line = f"{what} {done}/{total}, {speed:.1f} frames/s, {left // 60}:{left % 60:02d} left"
        print(f"\r{line}\x1b[K" if terminal else line, end="" if terminal else "\n", file=out, flush=True)
    if terminal:
        print(file=out)
