"""Taskonomy (Zamir et al., CVPR 2018) as its authors publish it; docs/taskonomy.md says how to get it.

layout     the three folder layouts, file names, the official split by building
encodings  what a stored number means: metres, unit vectors, curvature, class ids, distributions
classes    which classes there are, in the order of the published networks
dataset    Taskonomy: all of it as LabelledFrame
"""

from __future__ import annotations

from training.datasets.taskonomy.classes import CLASS_COUNTS, SCENES, SEGMENTS, ClassCounts
from training.datasets.taskonomy.dataset import Taskonomy
from training.datasets.taskonomy.layout import is_taskonomy

__all__ = ["CLASS_COUNTS", "SCENES", "SEGMENTS", "ClassCounts", "Taskonomy", "is_taskonomy"]
