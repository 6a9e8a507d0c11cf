"""The trials: which process runs on what, and what it has to say of itself for the trial to count."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.trials.crossarch.machine import Machine
from tests.trials.crossarch.prepare import NEXT_NUMPY, OLDEST_NUMPY, OLDEST_RUNTIME, Prepared
from tests.trials.crossarch.rounding import MODES

ABOVE_SSE = ("AVX", "F16C", "FMA3", "AVX2", "AVX512F")
KERNELS = {"Prescott": "", "Nehalem": "SSE42", "Sandybridge": "AVX", "Haswell": "AVX2", "SkylakeX": "AVX512_SKX"}
"""OpenBLAS's core types on x86-64, each with numpy's name of the feature that it needs."""


@dataclass(frozen=True)
class Trial:
    """One process. kind: decode or encode. python: its interpreter. options: of its module. environment: added to ours.

    wanted: fields of `Machine` with the value that the process must report. without: features that it must not use.
    """

    name: str
    kind: str
    python: tuple[str, ...] = (sys.executable,)
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    wanted: Mapping[str, object] = field(default_factory=dict)
    without: tuple[str, ...] = ()

    def contradictions(self, machine: Machine) -> list[str]:
        """Return where the process did not run as the trial wanted."""
        found = [
            f"{name} is {getattr(machine, name)}, not {value}"
            for name, value in self.wanted.items()
            if str(getattr(machine, name)).lower() != str(value).lower()
        ]
        return found + [f"the feature {name} is on" for name in self.without if name in machine.features]


def decode_trials(prepared: Prepared, here: Machine) -> list[Trial]:
    """Return a trial for all that the hyper-synthesis could depend on. here: this process's machine, for the processor's features."""
    trials = [
        Trial("as here", "decode", wanted={"numpy": np.__version__}),
        *(
            Trial(
                f"{threads} BLAS threads",
                "decode",
                environment={"OPENBLAS_NUM_THREADS": str(threads)},
                wanted={"blas_threads": threads},
            )
            for threads in sorted({1, 2, os.cpu_count() or 1})
        ),
        *(
            Trial(
                f"OpenBLAS kernels {kernel}",
                "decode",
                environment={"OPENBLAS_CORETYPE": kernel},
                wanted={"blas": kernel},
            )
            for kernel, feature in KERNELS.items()
            if not feature or feature in here.features
        ),
        *_numpy_levels(here),
        *(
            Trial(f"rounding {mode}", "decode", options=("--rounding", mode), wanted={"rounding": mode})
            for mode in MODES
        ),
    ]
    for version, folder in ((OLDEST_NUMPY, prepared.oldest_numpy), (NEXT_NUMPY, prepared.next_numpy)):
        trials.append(Trial(f"numpy {version}", "decode", environment=_path(folder), wanted={"numpy": version}))
    trials.append(
        Trial(
            "x86-64 without AVX (qemu, Nehalem)",
            "decode",
            prepared.x86("Nehalem"),
            wanted={"blas": "Nehalem"},
            without=ABOVE_SSE,
        )
    )
    for processor, kernel in (("cortex-a57", "cortexa57"), ("neoverse-n1", "neoversen1"), ("max", "armv8sve")):
        trials.append(
            Trial(
                f"aarch64 (qemu, {processor})",
                "decode",
                prepared.aarch64(processor),
                environment=_path(prepared.aarch64_packages),
                wanted={"architecture": "aarch64", "blas": kernel},
            )
        )
    return trials


def encode_trials(prepared: Prepared, images: Path) -> list[Trial]:
    """Return trials of other machines' networks; the others are compared with the first."""
    with_images = ("--images", str(images))
    emulated = (*with_images, "--limit", "2")
    oldest = {"onnxruntime": OLDEST_RUNTIME}
    return [
        Trial("as here, 1 thread", "encode", options=with_images),
        Trial("2 threads", "encode", options=(*with_images, "--threads", "2")),
        Trial("4 threads, batches of 8", "encode", options=(*with_images, "--threads", "4", "--batch", "8")),
        Trial("features moved by up to 1 last bit", "encode", options=(*with_images, "--noise", "1")),
        Trial("features moved by up to 1000 last bits", "encode", options=(*with_images, "--noise", "1000")),
        Trial(
            f"ONNX Runtime {OLDEST_RUNTIME}",
            "encode",
            options=with_images,
            environment=_path(prepared.oldest_runtime),
            wanted=oldest,
        ),
        Trial(
            "x86-64 without AVX (qemu, Nehalem)",
            "encode",
            prepared.x86("Nehalem"),
            emulated,
            wanted={"blas": "Nehalem"},
            without=ABOVE_SSE,
        ),
        Trial(
            f"aarch64 (qemu, neoverse-n1), ONNX Runtime {OLDEST_RUNTIME}",
            "encode",
            prepared.aarch64("neoverse-n1"),
            emulated,
            _path(prepared.aarch64_runtime, prepared.aarch64_packages),
            wanted={"architecture": "aarch64"} | oldest,
        ),
    ]


def gpu_trial(images: Path) -> Trial:
    """Return the trial of the networks on an NVIDIA GPU."""
    return Trial("CUDA", "encode", options=("--images", str(images), "--provider", "cuda"))


def _numpy_levels(here: Machine) -> list[Trial]:
    """Give numpy's loops without the processor's newer instructions; only what it has can be switched off."""
    wide = tuple(name for name in here.features if name.startswith("AVX512"))
    levels = {"AVX-512": wide, "AVX2 and AVX-512": ("AVX2", "FMA3", *wide), "everything above SSE3": here.features}
    return [
        Trial(
            f"numpy without {name}",
            "decode",
            environment={"NPY_DISABLE_CPU_FEATURES": " ".join(off)},
            without=off,
        )
        for name, found in levels.items()
        if (off := tuple(one for one in found if one in here.features))
    ]


def _path(*folders: Path) -> dict[str, str]:
    return {"PYTHONPATH": ":".join(map(str, folders))}
