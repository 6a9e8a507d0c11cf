"""Put a class task's probabilities in order and name their classes.

    probabilities [C] --ranked--> ((index, label, probability), ...), most probable first

Law: equal probabilities keep the order of the classes, so that every reader lists a result alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shared.contract.results import ClassProbability


def labels_for(labels: Sequence[str], classes: int) -> Sequence[str]:
    """Return the class names if there is one for each class, else their numbers."""
    return labels if len(labels) == classes else [str(index) for index in range(classes)]


def ranked(labels: Sequence[str], probabilities: npt.NDArray[np.float32], count: int) -> tuple[ClassProbability, ...]:
    """Return the `count` most probable classes. labels: one name for each class. probabilities: float32 [C]."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return tuple(ClassProbability(index, labels[index], float(probabilities[index])) for index in order.tolist())
