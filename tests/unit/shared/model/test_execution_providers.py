"""Execution providers: what is asked for by name runs or the start fails; auto takes what really loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import ProviderMissing
from shared.model.bundle import Bundle
from shared.model.execution_providers import choose_providers, engine_folder, gpu_names, provider_names
from shared.model.onnx_graphs import CPU, Graphs


def test_cpu_is_cpu(tiny_bundle: Bundle, tmp_path: Path) -> None:
    assert choose_providers("cpu", tmp_path, tiny_bundle) == CPU


@pytest.mark.parametrize("wanted", ["cuda", "tensorrt"])
def test_a_provider_asked_for_by_name_runs_or_is_refused(wanted: str, tiny_bundle: Bundle, tmp_path: Path) -> None:
    try:
        chosen = choose_providers(wanted, tmp_path, tiny_bundle)
    except ProviderMissing:
        assert not gpu_names(), f"there is a GPU, but {wanted} did not load"
        return
    session = Graphs(tiny_bundle, chosen).session(tiny_bundle.manifest.backbone)
    assert session.get_providers()[0] == provider_names(chosen)[0]


def test_auto_takes_what_a_session_really_gets(tiny_bundle: Bundle, tmp_path: Path) -> None:
    chosen = choose_providers("auto", tmp_path, tiny_bundle)
    session = Graphs(tiny_bundle, chosen).session(tiny_bundle.manifest.backbone)
    assert session.get_providers()[0] == provider_names(chosen)[0]
    if not gpu_names():
        assert chosen == CPU


def test_engines_of_another_bundle_are_kept_apart(tiny_bundle: Bundle, tmp_path: Path) -> None:
    other = Bundle(tiny_bundle.directory, tiny_bundle.manifest, bytes(32))
    assert engine_folder(tmp_path, tiny_bundle) != engine_folder(tmp_path, other)
    assert engine_folder(tmp_path, tiny_bundle).parent == tmp_path
