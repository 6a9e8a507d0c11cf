"""No stored file names a class of ours, so that modules may move: whatever is read is tensors, arrays and numbers alone."""

from __future__ import annotations

import ast

from tests.support.source_tree import ROOT, last_name, product_files, tree_of

SAFE_READING = {
    "torch.load": ("weights_only", "True", None),
    "np.load": ("allow_pickle", "False", "False"),
    "numpy.load": ("allow_pickle", "False", "False"),
}
"""Each reader of files that could unpickle: the argument that keeps it from doing so, and what stands for it where it is left out."""
UNPICKLERS = {"Unpickler", "loads", "load"}


def test_nothing_that_is_read_from_a_file_is_unpickled() -> None:
    readers, strays = 0, []
    for path in product_files():
        for call in (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            place = f"{path.relative_to(ROOT)}:{call.lineno}: {name}"
            if name.partition(".")[0] in {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve"} and (
                last_name(call.func) in {*UNPICKLERS, "open"}
            ):
                strays.append(place)
            if name in SAFE_READING:
                readers += 1
                argument, value, default = SAFE_READING[name]
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
                if given.get(argument, default) != value:
                    strays.append(f"{place} without {argument}={value}")
    assert not strays
    assert readers, "the names of the readers have changed: this test sees none"


def test_no_graph_of_the_shipped_bundle_names_a_module_of_ours() -> None:
    graphs = sorted((ROOT / "models").rglob("*.onnx"))
    assert graphs
    assert [path.name for path in graphs if b"training." in path.read_bytes()] == []
