"""The tasks of the experiments: the output of each, its training loss (L_d of eq. 8) and the figure that judges it.

raw output of the head --result--> values --figures--> the task's figure
                       `--task_loss----------------> L_d
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from shared.model.task_metrics import IGNORE
from training.losses import LABEL_SMOOTHING, angular_error, soft_loss, thinned
from training.networks.task import dense_result

Kind = Literal["class", "segmentation", "normal", "values"]


@dataclass(frozen=True)
class ExperimentTask:
    """One task of a suite.

    outputs: channels of the raw result, or classes. weight: lambda_t of eq. 8. figure: the name of what judges it, as
    experiments.runs.measure gives it. value_range: lowest and highest label of a task of kind "values".
    background: classes that non-background accuracy leaves out. seen: whether a codec is trained for it. values_of: turns the head's raw
    output into the label's values, where that is not dense_result of training.networks.task. class_weights: of a segmentation's loss, one
    for each class, where they are not all alike.
    """

    name: str
    kind: Kind
    outputs: int
    weight: float
    figure: str
    higher_is_better: bool
    value_range: tuple[float, float] = (0.0, 1.0)
    background: tuple[int, ...] = ()
    seen: bool = True
    values_of: Callable[[Tensor], Tensor] | None = None
    class_weights: tuple[float, ...] = ()

    def better(self, a: float, b: float) -> bool:
        """Return True where the figure `a` is better than `b`."""
        return a > b if self.higher_is_better else a < b


def result(task: ExperimentTask, raw: Tensor) -> Tensor:
    """Raw output [N, C, h, w] (or logits [N, C]) -> the task's values, resolution kept."""
    return task.values_of(raw) if task.values_of is not None else dense_result(task.name, raw)


def task_loss(task: ExperimentTask, raw: Tensor, label: Tensor) -> Tensor:
    """Mean loss of a batch; zero (with gradient) where no frame has the label.

    label: int64 [N] (-1 unknown) of a class; int64 [N, h, w] (255 unknown) of a segmentation; float32 [N, C, h, w] otherwise, NaN unknown.
    A label may be finer or coarser than the result: `at_one_size`.
    """
    if task.kind == "class":
        if not bool((label >= 0).any()):
            return raw.sum() * 0.0
        return F.cross_entropy(raw, label, ignore_index=-1, label_smoothing=LABEL_SMOOTHING)
    raw, target = at_one_size(raw, label)
    if task.kind == "segmentation":
        return _segmentation_loss(task, raw, target)
    values = result(task, raw)
    known = ~target.isnan().any(1)
    if not bool(known.any()):
        return raw.sum() * 0.0
    if task.kind == "normal":
        return angular_error(values, F.normalize(torch.nan_to_num(target), dim=1))[known].mean()
    return (values - target).abs().mean(1)[known].mean()


def at_one_size(raw: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Raw result [..., h, w] and label [..., H, W] at the coarser's size, pixel by pixel: nothing is averaged across edges.

    Of a finer label one pixel of each block is taken, another one each time (`thinned`). Of a finer result it is always the first, which is
    what a label kept as every second (third, ...) pixel of every second row is the label of.
    """
    step = raw.shape[-1] // label.shape[-1]
    return (raw[..., ::step, ::step], label) if step > 1 else (raw, thinned(label, raw))


def _segmentation_loss(task: ExperimentTask, raw: Tensor, target: Tensor) -> Tensor:
    weights = raw.new_tensor(task.class_weights) if task.class_weights else None
    known = target[target != IGNORE]
    if not known.numel() or (weights is not None and not bool(weights[known].any())):
        return raw.sum() * 0.0
    return F.cross_entropy(raw, target, weights, ignore_index=IGNORE)


def mimic_loss(task: ExperimentTask, raw: Tensor, original: Tensor) -> Tensor:
    """Return a raw result's distance from the original network's: KL divergence in nats for classes, else mean absolute difference."""
    if task.kind in ("class", "segmentation"):
        return soft_loss(raw, original.softmax(1))
    return (result(task, raw) - result(task, original)).abs().mean()
