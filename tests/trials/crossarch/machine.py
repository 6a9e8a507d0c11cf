"""The machine that a process runs on, asked of the libraries themselves. This proves that a trial's settings took effect."""

from __future__ import annotations

import importlib
import platform
import sys
from dataclasses import asdict, dataclass

import numpy as np
from threadpoolctl import threadpool_info

from tests.trials.crossarch.rounding import NEAREST, rounding


@dataclass(frozen=True)
class Machine:
    """architecture: as `uname -m`. blas: the kernels that OpenBLAS chose. features: numpy's dispatched CPU features in use.

    rounding: the processor's mode.
    """

    architecture: str
    python: str
    numpy: str
    blas: str
    blas_threads: int
    features: tuple[str, ...]
    onnxruntime: str = ""
    rounding: str = NEAREST

    @classmethod
    def here(cls) -> Machine:
        """Return the machine of this process; `onnxruntime` only where it was imported already."""
        core = "numpy._core" if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else "numpy.core"
        umath = importlib.import_module(f"{core}._multiarray_umath")
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        return cls(
            platform.machine(),
            platform.python_version(),
            np.__version__,
            pools[0]["architecture"] if pools else "none",
            int(pools[0]["num_threads"]) if pools else 0,
            tuple(name for name in umath.__cpu_dispatch__ if umath.__cpu_features__.get(name)),
            str(getattr(sys.modules.get("onnxruntime"), "__version__", "")),
            rounding(),
        )

    def to_json(self) -> dict[str, object]:
        """Return it for the report of a trial's process."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, object]) -> Machine:
        """Read what `to_json` gave in another process."""
        return cls(**(values | {"features": tuple(values["features"])}))  # type: ignore[arg-type]
