"""Words and units for readers: tasks, figures, schemes and data sets as reports call them.

Every figure is shown through its Quantity: a share as per cent, an angle in degrees, a depth error in metres.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.model.tasks import TASKS
from training.datasets.frame import INPUT_HEIGHT, INPUT_WIDTH

INPUT_PIXELS = INPUT_HEIGHT * INPUT_WIDTH
BYTES_OF_BPP = INPUT_PIXELS / 8

TITLES = {task.name: task.title for task in TASKS} | {
    "depth": "depth",
    "segment_40": "segmentation, 40 classes",
    "class_scene_spatial": "scene class, spatial feature",
}

SCHEMES = {
    "original": "Original",
    "control": "Control group",
    "idfc": "IDFC",
    "scale": "Hyperprior, scale only (Ballé 2018)",
    "hyperprior": "Hyperprior, mean and scale (Minnen 2018)",
    "channels": "No side information: one Gaussian a channel",
    "positions": "No side information: one Gaussian a position",
    "codebook": "Codebook hyperprior (the paper's)",
    "context": "Codebook hyperprior with context (ours)",
    "linear": "Codebook hyperprior, linear path (ours)",
}

LINES = {
    "idfc": "IDFC",
    "scale": "scale only",
    "hyperprior": "mean and scale",
    "channels": "one Gaussian a channel",
    "positions": "one Gaussian a position",
    "codebook": "codebook",
    "context": "codebook + context",
    "linear": "codebook, linear path",
}
"""The schemes in a word or two, for the names of curves."""

AGGREGATIONS = {"customized": "Customized", "trinity": "Trinity", "hex": "Hex"}

REPRESENTATIONS = {"binary": "Binary", "binary+": "Binary+", "trinity": "Trinity"}

PICTURES = {"hevc-intra": "HEVC intra", "avif": "AVIF", "webp": "WebP", "jpeg": "JPEG"}

SUITES = {"nyuv2": "NYU Depth v2", "taskonomy": "Taskonomy"}


@dataclass(frozen=True)
class Quantity:
    """The form in which a figure is shown. factor: multiplies the value. unit: stands behind it, "" for a pure number."""

    name: str
    unit: str = ""
    factor: float = 1.0
    decimals: int = 4

    def text(self, value: float) -> str:
        """One value with its unit."""
        return f"{self.number(value)}{self.unit}"

    def number(self, value: float) -> str:
        """One value without its unit."""
        return f"{value * self.factor:.{self.decimals}f}"

    def printed(self, decimals: int) -> Quantity:
        """The same with as many decimals as somebody else printed."""
        return replace(self, decimals=decimals)

    @property
    def axis(self) -> str:
        """Label of an axis."""
        return f"{self.name} ({self.unit.strip()})" if self.unit else self.name


QUANTITIES = {
    "top1": Quantity("top-1 accuracy", " %", 100.0, 1),
    "miou": Quantity("mIoU", " %", 100.0, 1),
    "pixel_accuracy": Quantity("accuracy", " %", 100.0, 1),
    "non_background_accuracy": Quantity("non-background accuracy", " %", 100.0, 1),
    "cross_entropy": Quantity("cross-entropy", "", 1.0, 3),
    "mean_angular_error_degrees": Quantity("mean angular error", "°", 1.0, 2),
    "median_angular_error_degrees": Quantity("median angular error", "°", 1.0, 2),
    "l1": Quantity("L1 error"),
}
METRES = Quantity("L1 error", " m", 1.0, 3)


def quantity(task: str, figure: str) -> Quantity:
    """Return the form in which a task's figure is shown."""
    if task == "depth" and figure == "l1":
        return METRES
    return QUANTITIES.get(figure, Quantity(figure.replace("_", " ")))


def task_name(task: str) -> str:
    """A task as a reader calls it."""
    return TITLES.get(task, task.replace("_", " "))


def tasks_text(tasks: tuple[str, ...] | list[str]) -> str:
    """Several tasks in a sentence."""
    return " + ".join(task_name(task) for task in tasks)


def suite_name(suite: str) -> str:
    """A data set as a reader calls it."""
    return SUITES.get(suite, suite)


def arrow(higher_is_better: bool) -> str:
    """The sign behind a column's name that says which way is better."""
    return "↑" if higher_is_better else "↓"


def line_name(scheme: str) -> str:
    """A scheme as its curve is called."""
    return LINES.get(scheme, scheme)
