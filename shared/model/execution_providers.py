"""The choice of ONNX Runtime's execution providers, on which the networks run, by what really loads.

    "auto" | "cpu" | "cuda" | "tensorrt" --choose_providers--> providers for `Graphs`, best first, the CPU last

A GPU build of ONNX Runtime lists CUDA and TensorRT even where their libraries or the GPU are missing. It then falls
back with an error in the log, so that each is tried first on one of the bundle's graphs.
Law: the provider that was asked for by name is what runs, or the start fails.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from shared.errors import ProviderMissing
from shared.model.bundle import Bundle
from shared.model.onnx_graphs import CPU, Provider, onnxruntime

_NAMES = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
_GPUS = Path("/proc/driver/nvidia/gpus")
_SILENT, _WARNINGS = 4, 2


def choose_providers(wanted: str, engine_cache: Path, bundle: Bundle) -> tuple[Provider, ...]:
    """Return the providers for a bundle's graphs; raises ProviderMissing.

    wanted: auto, cpu, cuda or tensorrt. engine_cache: the folder where TensorRT keeps what it built. It has a folder
    for each bundle, runtime, TensorRT and GPU, since none of them can use another's.
    """
    if wanted == "cpu":
        return CPU
    if wanted != "auto":
        chosen = _with_fallbacks(wanted, engine_cache, bundle)
        if not _loads(chosen, bundle):
            raise ProviderMissing(
                f"the execution provider {wanted} does not load here: it needs an NVIDIA GPU and the gpu extra with its "
                "libraries; or choose providers auto or cpu"
            )
        return chosen
    for name in ("tensorrt", "cuda"):
        chosen = _with_fallbacks(name, engine_cache, bundle)
        if gpu_names() and _loads(chosen, bundle):
            return chosen
    return CPU


def provider_names(providers: Iterable[Provider]) -> tuple[str, ...]:
    """Return the providers' names without their options."""
    return tuple(one if isinstance(one, str) else one[0] for one in providers)


def gpu_names() -> tuple[str, ...]:
    """Return the models of the NVIDIA GPUs that the driver shows, or none."""
    found: list[str] = []
    for path in sorted(_GPUS.glob("*/information")):
        lines = path.read_text(errors="replace").splitlines()
        found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return tuple(found)


def engine_folder(engine_cache: Path, bundle: Bundle) -> Path:
    """Return the folder where TensorRT keeps this bundle's engines on this machine."""
    parts = (bundle.digest.hex(), onnxruntime.__version__, _tensorrt_version(), *gpu_names())
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return engine_cache.expanduser() / f"{bundle.manifest.name}-{bundle.manifest.version}-{key}"


def _with_fallbacks(name: str, engine_cache: Path, bundle: Bundle) -> tuple[Provider, ...]:
    if name == "cuda":
        return (_NAMES["cuda"], *CPU)
    folder = engine_folder(engine_cache, bundle)
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
    }
    return ((_NAMES["tensorrt"], options), _NAMES["cuda"], *CPU)


def _loads(providers: tuple[Provider, ...], bundle: Bundle) -> bool:
    """Return True where a session really gets the first of them."""
    first = provider_names(providers)[0]
    if first not in onnxruntime.get_available_providers():
        return False
    if gpu_names() and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    files = bundle.manifest.files
    smallest = min(
        (path for path in bundle.manifest.graphs if path.endswith(".onnx")), key=lambda path: files[path].bytes
    )
    onnxruntime.set_default_logger_severity(_SILENT)
    try:
        session = onnxruntime.InferenceSession(str(bundle.path(smallest)), providers=list(providers))
    except Exception:  # ONNX Runtime raises its own kinds for each way in which a provider can fail to load
        return False
    finally:
        onnxruntime.set_default_logger_severity(_WARNINGS)
    return bool(session.get_providers()[0] == first)


def _tensorrt_version() -> str:
    for package in ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    try:
        return str(ctypes.CDLL("libnvinfer.so").getInferLibVersion())
    except OSError:
        return "none"
