"""A preview without an edge is drawn of a picture and a view that are files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_encoder.encoding.view import View
from shared.contract.geometry import InputSize
from taxon.errors import InputError
from taxon.preview import preview_of, read_view
from tests.support.pictures import picture

VIEW = View((0.25, 0.0, 0.5, 1.0), (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)),))
TOML = "crop = [0.25, 0, 0.5, 1]\nmasks = [[[0, 0], [1, 0], [1, 1], [0, 1]]]\n"


def test_a_view_is_read_alone_or_out_of_a_cameras_plan(tmp_path: Path) -> None:
    path = tmp_path / "view.toml"
    for text in (TOML, f'source = "hall.mp4"\n[view]\n{TOML}'):
        path.write_text(text)
        assert read_view(path) == VIEW
    path = tmp_path / "view.json"
    path.write_text('{"view": {"crop": [0.25, 0, 0.5, 1], "masks": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}}')
    assert read_view(path) == VIEW


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"mask": []}', "[" * 100_000, '{"crop": [0, 0, 9, 9]}'])
def test_what_is_no_view_is_refused_with_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "view.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"view\.json: no view can be read here"):
        read_view(path)
    with pytest.raises(InputError, match=r"absent\.toml: "):
        read_view(tmp_path / "absent.toml")


def test_a_picture_is_drawn_as_the_edge_would_code_it(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(picture(width=96, height=64))
    drawn = np.asarray(Image.open(io.BytesIO(preview_of(path, VIEW, InputSize(32, 32)))))
    assert drawn.shape == (427, 640, 3)
    assert (drawn[210, 320] == 128).all()
    with pytest.raises(InputError, match=r"picture\.jpg: the crop has"):
        preview_of(path, View((0.0, 0.0, 0.1, 0.1)), InputSize(32, 32))
