"""ONNX Runtime sessions over a bundle's graphs, opened when first wanted and kept.

Law: one session a graph and `Graphs`; `run` may be called from several threads.
The only module of `shared/` that needs an inference runtime; whoever only inspects bitstreams never imports it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.codec.entropy_codec import EntropyCodec
from shared.model.bundle import Bundle

# Pictures do not leave the edge, and neither does word of what runs there: since 1.29 the official Linux builds of ONNX
# Runtime report models and sessions to their maker unless this is set before the library is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as onnxruntime

AnyArray = NDArray[Any]
Provider = str | tuple[str, Mapping[str, str]]
"""An execution provider's name, or its name and options."""
CPU: tuple[Provider, ...] = ("CPUExecutionProvider",)


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """How every graph is run. threads: for one operator; 0 leaves it to the runtime.

    Threads that wait sleep: by default they spin, which at a few frames a second costs four times the processor time of the work
    itself, and where services share cores takes it from the one that has work (docs/decisions.md).
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


@dataclass(frozen=True, eq=False)
class Graphs:
    """providers: ONNX Runtime's, in order of preference. threads: for one operator; 0 leaves it to the runtime."""

    bundle: Bundle
    providers: Sequence[Provider] = CPU
    threads: int = 0
    _sessions: dict[str, onnxruntime.InferenceSession] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def session(self, path: str) -> onnxruntime.InferenceSession:
        """The session of a graph that the manifest lists; raises BundleError for any other."""
        with self._lock:
            if path not in self._sessions:
                self._sessions[path] = onnxruntime.InferenceSession(
                    str(self.bundle.path(path)), session_options(self.threads), providers=list(self.providers)
                )
            return self._sessions[path]

    def inputs(self, path: str) -> tuple[str, ...]:
        """The names of the inputs that a graph declares."""
        return tuple(node.name for node in self.session(path).get_inputs())

    def run(
        self, path: str, available: Mapping[str, AnyArray], outputs: Sequence[str] | None = None
    ) -> dict[str, AnyArray]:
        """Feeds a graph those of the available tensors that it declares; returns the named outputs, or all."""
        session = self.session(path)
        names = [node.name for node in session.get_outputs()] if outputs is None else list(outputs)
        feeds = {name: np.ascontiguousarray(available[name]) for name in self.inputs(path)}
        return dict(zip(names, session.run(names, feeds), strict=True))


@dataclass(frozen=True, eq=False)
class OpenBundle:
    """A bundle ready to work: its graphs' sessions and its groups' entropy codecs. providers, threads: see `Graphs`."""

    bundle: Bundle
    providers: Sequence[Provider] = CPU
    threads: int = 0
    graphs: Graphs = field(init=False, repr=False)
    codecs: Mapping[str, EntropyCodec] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "graphs", Graphs(self.bundle, self.providers, self.threads))
        object.__setattr__(self, "codecs", self.bundle.codecs())
