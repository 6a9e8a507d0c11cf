"""Task losses L_d (eq. 8), each the metric that the task is judged by or its differentiable stand-in.

Every function takes raw head outputs [N, C, 64, 64] and compares them with a quarter of the labels' 128x128 pixels.
Of each 2x2 block it takes the same corner, drawn anew each time. So no label is averaged across an edge, and all are seen in time.
Frames without the label count nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.data.batches import Batch
from training.datasets.frame import IGNORE
from training.networks.task import dense_result

WEIGHTS = {
    "segment_semantic": 1.0,
    "class_scene": 0.3,
    "class_object": 0.3,
    "normal": 1.5,
    "reshading": 4.0,
    "principal_curvature": 4.0,
}
LABEL_SMOOTHING = 0.1
COSINE_LIMIT = 0.9999


def dense_loss(task: str, raw: Tensor, batch: Batch) -> Tensor:
    """Mean loss of one dense task over the frames that have its label; zero (with gradient) if none has.

    Segmentation has the cross-entropy in nats, normals the angle in radians, the others the mean absolute error.
    """
    is_segmentation = task == "segment_semantic"
    known = batch.has_segmentation if is_segmentation else batch.has_geometry
    if not bool(known.any()):
        return raw.sum() * 0.0
    if is_segmentation:
        return F.cross_entropy(raw[known], thinned(batch.segmentation[known], raw), ignore_index=IGNORE)
    target = thinned(batch.geometry[known], raw)
    result = dense_result(task, raw[known])
    if task == "normal":
        return angular_error(result, F.normalize(target[:, :3], dim=1)).mean()
    channels = slice(3, 4) if task == "reshading" else slice(4, 6)
    return (result - target[:, channels]).abs().mean()


def angular_error(result: Tensor, target: Tensor) -> Tensor:
    """Angle in radians [N, H, W] between unit vectors [N, 3, H, W], with a bounded gradient where they agree."""
    return torch.acos((result * target).sum(1).clamp(-COSINE_LIMIT, COSINE_LIMIT))


def scene_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy with label smoothing: most training scenes are inferred from neighbouring frames."""
    return F.cross_entropy(logits, batch.scene, ignore_index=-1, label_smoothing=LABEL_SMOOTHING)


def soft_loss(logits: Tensor, probabilities: Tensor) -> Tensor:
    """KL divergence of a teacher's probabilities [N, C, ...] from the student's logits, mean over all other dimensions, in nats."""
    log_student = F.log_softmax(logits, 1)
    log_teacher = probabilities.clamp_min(1e-8).log()
    return (probabilities * (log_teacher - log_student)).sum(1).mean()


def thinned(target: Tensor, raw: Tensor) -> Tensor:
    """One pixel of every block of `target` [..., H, W], so that it has the size of `raw` [..., h, w]; the same corner of all blocks."""
    step = target.shape[-1] // raw.shape[-1]
    row, column = torch.randint(0, step, (2,)).tolist()
    return target[..., row::step, column::step]
