"""Taskonomy (Zamir et al., CVPR 2018) as its authors publish it; docs/taskonomy.md says how to get it.

layout     the three folder layouts, file names, the official split by building
encodings  the meaning of a stored number: metres, unit vectors, curvature, classes, distributions
dataset    Taskonomy: all of it as LabelledFrame
"""

from __future__ import annotations

from training.datasets.taskonomy.dataset import Taskonomy
from training.datasets.taskonomy.encodings import OBJECTS, SCENES, SEGMENTS
from training.datasets.taskonomy.layout import is_taskonomy

__all__ = ["OBJECTS", "SCENES", "SEGMENTS", "Taskonomy", "is_taskonomy"]
