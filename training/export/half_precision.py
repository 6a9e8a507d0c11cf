"""Stores a graph's large float32 weights as float16, cast back where they are used.

The runtime folds the casts when it loads the graph and computes in float32 as before; the file is half as large.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST_ELEMENTS = 1024


def store_weights_in_half(path: Path) -> None:
    """Rewrite the ONNX file at `path`; raises ValueError where a weight is too large for float16."""
    model = onnx.load(path)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or int(np.prod(tensor.dims)) < SMALLEST_ELEMENTS:
            continue
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise ValueError(f"{path}: weight {tensor.name} is too large for half precision")
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], f"{name}.cast", to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
