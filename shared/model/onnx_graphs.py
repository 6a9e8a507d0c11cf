"""ONNX Runtime sessions over a bundle's graphs, opened when they are first wanted and kept.

Law: a graph has one session in each `Graphs`, and `run` may be called from several threads. Only this module and
`execution_providers` need an inference runtime: a program that inspects bitstreams imports neither.
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

# Pictures do not leave the edge, and neither does word of what runs there. Since 1.29 the official Linux builds of ONNX
# Runtime report models and sessions to their maker unless this is set before the library is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as onnxruntime

AnyArray = NDArray[Any]
Provider = str | tuple[str, Mapping[str, str]]
"""An execution provider's name, or its name and options."""
CPU: tuple[Provider, ...] = ("CPUExecutionProvider",)


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Return the options of every session. threads: the number for one operator; 0 leaves it to the runtime.

    Threads that wait sleep. By default they spin, which at a few frames a second costs four times the processor time of
    the work itself. Where services share cores, spinning takes them from whoever has work (docs/decisions.md).
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


@dataclass(frozen=True, eq=False)
class Graphs:
    """The sessions of a bundle's graphs.

    providers: ONNX Runtime's, in order of preference. threads: the number for one operator; 0 leaves it to the runtime.
    """

    bundle: Bundle
    providers: Sequence[Provider] = CPU
    threads: int = 0
    _sessions: dict[str, onnxruntime.InferenceSession] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def session(self, path: str) -> onnxruntime.InferenceSession:
        """Return the session of a graph that the manifest lists; raises BundleError for any other."""
        with self._lock:
            if path not in self._sessions:
                self._sessions[path] = onnxruntime.InferenceSession(
                    str(self.bundle.path(path)), session_options(self.threads), providers=list(self.providers)
                )
            return self._sessions[path]

    def inputs(self, path: str) -> tuple[str, ...]:
        """Return the names of the inputs that a graph declares."""
        return tuple(node.name for node in self.session(path).get_inputs())

    def run(
        self, path: str, available: Mapping[str, AnyArray], outputs: Sequence[str] | None = None
    ) -> dict[str, AnyArray]:
        """Feed a graph the available tensors that it declares; return the named outputs, or all."""
        session = self.session(path)
        names = [node.name for node in session.get_outputs()] if outputs is None else list(outputs)
        feeds = {name: np.ascontiguousarray(available[name]) for name in self.inputs(path)}
        return dict(zip(names, session.run(names, feeds), strict=True))


@dataclass(frozen=True, eq=False)
class OpenBundle:
    """A bundle ready to work: the sessions of its graphs and the entropy codecs of its groups.

    providers, threads: as in `Graphs`.
    """

    bundle: Bundle
    providers: Sequence[Provider] = CPU
    threads: int = 0
    graphs: Graphs = field(init=False, repr=False)
    codecs: Mapping[str, EntropyCodec] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "graphs", Graphs(self.bundle, self.providers, self.threads))
        object.__setattr__(self, "codecs", self.bundle.codecs())
