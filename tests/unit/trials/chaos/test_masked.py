"""The masked camera's scenes differ under the mask alone; and what differs in its results is seen."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from edge_encoder.encoding.preprocess import preprocess
from shared.contract.geometry import Geometry, InputSize
from shared.contract.results import ClassesResult, ClassProbability
from taxon.client import Result
from tests.trials.chaos.masked import HEIGHT, MASKED, VIEW, WIDTH, MaskedResults, scene

SIZE = InputSize(32, 32)


def test_scenes_differ_and_are_the_same_frame_with_the_view() -> None:
    assert len({scene(number) for number in range(4)}) == 4
    pixels = [np.asarray(Image.open(io.BytesIO(scene(number)))) for number in range(2)]
    assert (pixels[0] != pixels[1])[: HEIGHT // 2, : WIDTH // 2].any()
    whole = {preprocess(scene(number), SIZE).pixels.tobytes() for number in range(4)}
    assert len(whole) == 4, "without the view each is another frame"
    assert len({preprocess(scene(number), SIZE, VIEW).pixels.tobytes() for number in range(4)}) == 1


def result(probability: float, camera: str = MASKED) -> Result:
    scene_class = ClassesResult("class_scene", (ClassProbability(3, "kitchen", probability),))
    geometry = Geometry(WIDTH, HEIGHT, 32, 32)
    return Result(camera, 1, 0, 0, 9, (), geometry, (scene_class,), "", b"", "", "")


def test_a_result_that_differs_breaks_the_law() -> None:
    found = MaskedResults()
    for probability, camera in ((0.5, MASKED), (0.9, "left"), (0.5, MASKED)):
        found.note(result(probability, camera))
    assert (found.results, found.broken()) == (2, [])
    assert str(found) == "2 results of the masked camera, all the same"
    found.note(result(0.6))
    (said,) = found.broken()
    assert said.startswith("the masked camera gave 2 different results of class_scene")
