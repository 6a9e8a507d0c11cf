"""The codebook hyperprior in integers (paper 3.1, eq. 7): from v to the mean and scale index of every z_k.

    v -> trunk --> coefficients A --> Z = A C (eq. 7) --> hidden -> output: mean and scale of each position
          `-> vector hidden -> vector output: mean and scale of the latent without spatial dimensions

Activations carry 8 fractional bits, weights and the codebook 12, and biases 20 of them. Each layer is y = clip((W x + b + 2^11) >>
12, -2^20, 2^20), in float64 where every product and sum is an integer below 2^53.

Law: the result is exact. It depends neither on the machine, its rounding mode and the order of summation nor on the
other frames of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.codec.npz import read_integer_arrays
from shared.errors import BundleError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

ACTIVATION_BITS = 8
WEIGHT_BITS = 12
LIMIT = 1 << 20
"""The bound of every activation, in units of 2^-8."""

MEAN_LIMIT = 1 << 12
"""The bound of a mean, in sixteenths."""

_REQUIRED = (
    "side_scale_index",
    "trunk_weight",
    "trunk_bias",
    "coefficients_weight",
    "coefficients_bias",
    "codebook",
    "hidden_weight",
    "hidden_bias",
    "output_weight",
    "output_bias",
)
_VECTOR = ("vector_hidden_weight", "vector_hidden_bias", "vector_output_weight", "vector_output_bias")
_RESAMPLINGS_KEPT = 8
_EXACT = 1 << 53
"""The bound below which float64 holds every integer."""


@dataclass(frozen=True)
class LatentShape:
    """The shape of a group's latent: `channels` planes of `height` x `width`, then `vector` values; `size` in all."""

    channels: int
    height: int
    width: int
    vector: int

    @property
    def size(self) -> int:
        """K, the length of the flattened z."""
        return self.channels * self.height * self.width + self.vector

    def resized(self, height: int, width: int) -> LatentShape:
        """Return the shape of a latent of another resolution."""
        return LatentShape(self.channels, height, width, self.vector)


@dataclass(frozen=True, eq=False)
class Layer:
    """One integer layer.

    weight: float64 [out, in] in 2^-12. bias: float64 [R, out] in 2^-20, with a row for each operating point.
    """

    weight: FloatArray
    bias: FloatArray

    def __call__(self, x: FloatArray, rate: IntArray) -> FloatArray:
        """Map x [N, in, positions] in 2^-8 at the operating points rate [N] to [N, out, positions] in 2^-8."""
        return shift_and_clip(self.weight @ x + self.bias[rate][:, :, None])


@dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction of z. mean: int64 [N, K] in sixteenths. scale: int64 [N, K], indices 0..S-1."""

    mean: IntArray
    scale: IntArray


def shift_and_clip(accumulator: FloatArray) -> FloatArray:
    """Compute clip((a + 2^11) >> 12, -2^20, 2^20) of whole numbers in float64.

    The shift is done in integers: numpy's floor of a whole number is one less where a library has set the processor to
    round upward.
    """
    shifted = accumulator.astype(np.int64)
    shifted += 1 << (WEIGHT_BITS - 1)
    shifted >>= WEIGHT_BITS
    return shifted.clip(-LIMIT, LIMIT, out=shifted).astype(np.float64)


def resample_codebook(codebook: IntArray, height: int, width: int) -> IntArray:
    """Return the codebook [tau, h, w] at another size, int64 [tau, height, width].

    It is bilinear with half-pixel centres and clamped edges, in exact integers, rounded half up. The same size changes
    nothing.
    """
    rows = _bilinear_weights(codebook.shape[1], height)
    columns = _bilinear_weights(codebook.shape[2], width)
    total: IntArray = np.einsum("yi,tij,xj->tyx", rows, codebook, columns, optimize=False)
    denominator = 4 * height * width
    return (2 * total + denominator) // (2 * denominator)


def _bilinear_weights(source: int, target: int) -> IntArray:
    """Return the weights, int64 [target, source]; each row adds up to 2 * target."""
    weights = np.zeros((target, source), np.int64)
    for i in range(target):
        # Centre i + 1/2 of the target lies at (2i + 1) * source / (2 * target) - 1/2 of the source.
        left, remainder = divmod((2 * i + 1) * source - target, 2 * target)
        weights[i, min(max(left, 0), source - 1)] += 2 * target - remainder
        weights[i, min(max(left + 1, 0), source - 1)] += remainder
    return weights


class HyperSynthesis:
    """The integer hyper-synthesis of one group, as read from `entropy.npz`."""

    def __init__(
        self, arrays: dict[str, IntArray], shape: LatentShape, side: int, origin: str = "hyper-synthesis"
    ) -> None:
        """Check shapes and bounds; raises BundleError that names `origin` and the array.

        arrays: those that docs/format.md lists, int64. side: V, the length of v.
        """
        _check_shapes(arrays, shape, side, origin)
        _check_bounds(arrays, origin)
        self.shape = shape
        self.side_scale_index = arrays["side_scale_index"]
        self._codebook = arrays["codebook"]
        self._trunk = _layer(arrays, "trunk")
        self._coefficients = _layer(arrays, "coefficients")
        self._hidden = _layer(arrays, "hidden")
        self._output = _layer(arrays, "output")
        self._vector = (_layer(arrays, "vector_hidden"), _layer(arrays, "vector_output")) if shape.vector else None
        self._resampled: dict[tuple[int, int], FloatArray] = {}

    @classmethod
    def load(cls, path: Path, shape: LatentShape, side: int) -> HyperSynthesis:
        """Read and check `entropy.npz`; raises BundleError."""
        wanted = _REQUIRED + _VECTOR if shape.vector else _REQUIRED
        return cls(read_integer_arrays(path, wanted), shape, side, str(path))

    @property
    def rates(self) -> int:
        """R, the number of operating points."""
        return int(self.side_scale_index.shape[0])

    @property
    def side(self) -> int:
        """V, the length of v."""
        return int(self.side_scale_index.shape[1])

    def predict(self, v: IntArray, rate: IntArray, scales: int, shape: LatentShape | None = None) -> Prediction:
        """Predict the mean and the scale index of each z_k.

        v: int64 [N, V]. rate: int64 [N], 0..R-1. scales: S of the CDF tables. shape: that of the latent, where its
        height and width are not the bundle's own.
        """
        shape = shape or self.shape
        side = np.clip(v.astype(np.float64) * (1 << ACTIVATION_BITS), -LIMIT, LIMIT)[:, :, None]
        trunk = np.maximum(self._trunk(side, rate), 0)
        outputs = [self._spatial(trunk, rate, shape)]
        if self._vector is not None:
            hidden, output = self._vector
            outputs.append(output(np.maximum(hidden(trunk, rate), 0), rate))
        halves = [np.split(output.astype(np.int64), 2, axis=1) for output in outputs]
        mean, scale = (np.concatenate([half[i].reshape(len(v), -1) for half in halves], axis=1) for i in (0, 1))
        return Prediction(
            mean=np.clip((mean + 8) >> 4, -MEAN_LIMIT, MEAN_LIMIT),
            scale=np.clip((scale + 128) >> 8, 0, scales - 1),
        )

    def _spatial(self, trunk: FloatArray, rate: IntArray, shape: LatentShape) -> FloatArray:
        """Map [N, H, 1] to [N, 2C, h*w]: the coefficients, the codebook (eq. 7), and the prediction at each position."""
        codebook = self._codebook_at(shape.height, shape.width)
        coefficients = self._coefficients(trunk, rate).reshape(len(trunk), -1, codebook.shape[0])
        hyperprior = shift_and_clip(coefficients @ codebook)
        return self._output(np.maximum(self._hidden(hyperprior, rate), 0), rate)

    def _codebook_at(self, height: int, width: int) -> FloatArray:
        """Return the codebook at a size, float64 [tau, height * width].

        It is kept, since a camera keeps its resolution.
        """
        kept = self._resampled.get((height, width))
        if kept is None:
            resampled = resample_codebook(self._codebook, height, width)
            kept = resampled.reshape(len(resampled), -1).astype(np.float64)
            if len(self._resampled) >= _RESAMPLINGS_KEPT:
                self._resampled = {}
            self._resampled[height, width] = kept
        return kept


def _layer(arrays: dict[str, IntArray], name: str) -> Layer:
    return Layer(arrays[f"{name}_weight"].astype(np.float64), arrays[f"{name}_bias"].astype(np.float64))


def _check_shapes(arrays: dict[str, IntArray], shape: LatentShape, side: int, origin: str) -> None:
    """Read the sizes R, H, n, tau, P and Q off the arrays; everything else has to agree with them."""
    dimensions = {"side_scale_index": 2, "codebook": 3}
    for name, array in arrays.items():
        if array.ndim != dimensions.get(name, 2) or array.size == 0:
            raise BundleError(origin, f"array {name} of shape {array.shape} is empty or has the wrong rank")
    rates, tau = arrays["side_scale_index"].shape[0], arrays["codebook"].shape[0]
    trunk, terms = arrays["trunk_weight"].shape[0], arrays["hidden_weight"].shape[1]
    hidden = arrays["hidden_weight"].shape[0]
    expected = {
        "side_scale_index": (rates, side),
        "trunk_weight": (trunk, side),
        "trunk_bias": (rates, trunk),
        "coefficients_weight": (terms * tau, trunk),
        "coefficients_bias": (rates, terms * tau),
        "codebook": (tau, shape.height, shape.width),
        "hidden_bias": (rates, hidden),
        "output_weight": (2 * shape.channels, hidden),
        "output_bias": (rates, 2 * shape.channels),
    }
    if shape.vector:
        q = arrays["vector_hidden_weight"].shape[0]
        expected |= {
            "vector_hidden_weight": (q, trunk),
            "vector_hidden_bias": (rates, q),
            "vector_output_weight": (2 * shape.vector, q),
            "vector_output_bias": (rates, 2 * shape.vector),
        }
    for name, wanted in expected.items():
        if arrays[name].shape != wanted:
            raise BundleError(origin, f"array {name} has shape {arrays[name].shape}, the manifest asks for {wanted}")


def _check_bounds(arrays: dict[str, IntArray], origin: str) -> None:
    """Check that every accumulator stays below 2^53, where float64 holds each integer."""
    for name, weight in arrays.items():
        # First each number alone, since the sums below would wrap around. All but a bias are multiplied by activations.
        most = _EXACT if name.endswith("_bias") else _EXACT // LIMIT
        if max(abs(int(weight.min())), abs(int(weight.max()))) >= most:
            raise _inexact(name, origin)
        if name == "codebook":
            # Resampling is an average, so that no codebook of another size adds up to more, but for its rounding.
            row, bias = int(np.abs(weight).max()) * len(weight) + len(weight), 0
        elif name.endswith("_weight"):
            row = int(np.abs(weight).sum(axis=1).max())
            bias = int(np.abs(arrays[name.removesuffix("_weight") + "_bias"]).max())
        else:
            continue
        if LIMIT * row + bias + (1 << (WEIGHT_BITS - 1)) >= _EXACT:
            raise _inexact(name, origin)


def _inexact(name: str, origin: str) -> BundleError:
    return BundleError(origin, f"array {name} is too large: its sums would not be exact; scale it and export again")
