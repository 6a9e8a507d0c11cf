"""The paper's tables, against what its text says of them."""

from __future__ import annotations

import pytest

from experiments.report import paper


def test_table_3_total_saves_what_section_4_4_says() -> None:
    assert 1 - paper.TABLE_3_BPP["trinity"] / paper.TABLE_3_BPP["customized"] == pytest.approx(0.169, abs=0.001)


def test_table_1_and_table_2_agree_on_segmentation() -> None:
    for method in ("original", "control", "codebook"):
        assert paper.TABLE_1[method].miou == paper.TABLE_2["segment_semantic"][method].test
    assert paper.TABLE_1["idfc 43"].miou == paper.TABLE_2["segment_semantic"]["idfc"].test


@pytest.mark.parametrize(
    ("task", "column"),
    [("class_scene", "original"), ("segment_semantic", "original"), ("segment_semantic", "codebook")],
)
def test_table_3_repeats_table_2_on_validation_frames(task: str, column: str) -> None:
    ours = {"codebook": "customized"}.get(column, column)
    assert getattr(paper.TABLE_3[task], ours) == paper.TABLE_2[task][column].validation


def test_table_4_starts_from_table_3s_originals() -> None:
    for task, row in paper.TABLE_4.items():
        assert row["original"].figure == paper.TABLE_3[task].original
