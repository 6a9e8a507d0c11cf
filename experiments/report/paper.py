"""The paper's tables 1 to 4, as printed. Shares (accuracy, mIoU) as 0..1, rates in bits per pixel of 256x256; tasks by the project's names.

Tables 1 and 2 name test frames where they say so; tables 3 and 4 are on the paper's validation frames (paper 4.4, 4.5). The data set is
Taskonomy, with other classes and other networks than any other suite's: rates compare, the figures do not.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Segmentation:
    """A row of table 1, on test frames. bpp: None where there is no rate."""

    bpp: float | None
    cross_entropy: float
    pixel_accuracy: float
    non_background_accuracy: float
    miou: float


TABLE_1 = {
    "original": Segmentation(None, 0.74, 0.9164, 0.8628, 0.2765),
    "control": Segmentation(None, 0.61, 0.9231, 0.8267, 0.2707),
    "idfc 51": Segmentation(0.020, 6.22, 0.9274, 0.1562, 0.1103),
    "idfc 43": Segmentation(0.026, 1.38, 0.9394, 0.7224, 0.2841),
    "scale": Segmentation(0.025, 0.80, 0.9195, 0.7964, 0.2542),
    "codebook": Segmentation(0.013, 0.77, 0.9358, 0.8135, 0.2935),
}

TABLE_1_RATIO = 0.013 / 0.025
"""Rate of the codebook hyperprior against the hyperprior [1, 3], each at its plateau."""


@dataclass(frozen=True)
class PlateauRate:
    """A row of table 2. Its figures are top-1 accuracy, mIoU, and L1 distances. bpp: None where there is no rate."""

    validation: float
    validation_bpp: float | None
    test: float
    test_bpp: float | None


TABLE_2 = {
    "class_scene": {
        "original": PlateauRate(0.7002, None, 0.6748, None),
        "control": PlateauRate(0.7566, None, 0.6270, None),
        "idfc": PlateauRate(0.6116, 0.0403, 0.6543, 0.0408),
        "codebook": PlateauRate(0.7111, 0.0068, 0.5947, 0.0069),
    },
    "segment_semantic": {
        "original": PlateauRate(0.1837, None, 0.2765, None),
        "control": PlateauRate(0.1885, None, 0.2707, None),
        "idfc": PlateauRate(0.1720, 0.0210, 0.2841, 0.0261),
        "codebook": PlateauRate(0.1819, 0.0072, 0.2935, 0.0131),
    },
    "normal": {
        "original": PlateauRate(0.0741, None, 0.1211, None),
        "control": PlateauRate(0.0700, None, 0.1252, None),
        "idfc": PlateauRate(0.0753, 0.0520, 0.1281, 0.0588),
        "codebook": PlateauRate(0.0721, 0.0187, 0.1299, 0.0197),
    },
    "reshading": {
        "original": PlateauRate(0.2209, None, 0.2836, None),
        "control": PlateauRate(0.1687, None, 0.2343, None),
        "idfc": PlateauRate(0.2217, 0.0830, 0.2844, 0.0959),
        "codebook": PlateauRate(0.1713, 0.0130, 0.2411, 0.0134),
    },
}

TABLE_2_FIGURES = {"class_scene": "top1", "segment_semantic": "miou", "normal": "l1", "reshading": "l1"}


@dataclass(frozen=True)
class Aggregated:
    """A row of table 3, on validation frames: one task's figure under each aggregation."""

    metric: str
    original: float
    control: float
    customized: float
    trinity: float
    hex: float


TABLE_3 = {
    "class_scene": Aggregated("top1", 0.7002, 0.7574, 0.7119, 0.7108, 0.6218),
    "segment_semantic": Aggregated("miou", 0.1837, 0.1885, 0.1819, 0.1814, 0.2030),
    "class_object": Aggregated("top1", 0.6017, 0.6002, 0.6155, 0.6419, 0.5975),
    "normal": Aggregated("l1", 0.074, 0.071, 0.073, 0.073, 0.074),
    "reshading": Aggregated("l1", 0.221, 0.172, 0.173, 0.168, 0.168),
    "principal_curvature": Aggregated("l1", 0.300, 0.296, 0.296, 0.299, 0.306),
}
TABLE_3_BPP = {"customized": 0.059, "trinity": 0.049, "hex": 0.053}


@dataclass(frozen=True)
class Unseen:
    """A cell pair of table 4, on validation frames: the rate, and the unseen task's figure."""

    bpp: float | None
    figure: float


TABLE_4 = {
    "class_object": {
        "original": Unseen(None, 0.6017),
        "binary": Unseen(0.0132, 0.5106),
        "binary+": Unseen(0.0137, 0.5350),
        "bpg": Unseen(0.0371, 0.5456),
    },
    "reshading": {
        "original": Unseen(None, 0.221),
        "binary": Unseen(0.0229, 0.194),
        "binary+": Unseen(0.0167, 0.205),
        "bpg": Unseen(0.0371, 0.222),
    },
}
