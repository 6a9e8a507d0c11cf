"""Draw the bitmaps of floors, walls, rugs, pictures and the view outside.

Each function is deterministic in its seed and returns a texture, uint8 [H, W, 3] sRGB.
Floor and wall textures repeat without a seam.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

from tools.rooms.mesh import Floats, Texture

Color = tuple[int, int, int]


def _noise(rng: np.random.Generator, shape: tuple[int, int], sigma: tuple[float, float]) -> Floats:
    """Periodic smooth noise of unit deviation, [H, W]."""
    field = gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    return field / field.std()


def _texture(values: Floats) -> Texture:
    return np.clip(values, 4, 245).astype(np.uint8)


def planks(seed: int, color: Color, boards: int = 8, size: int = 768) -> Texture:
    """Boards along the rows, each with its own tone, grain and end joint."""
    rng = np.random.default_rng(seed)
    grain = _noise(rng, (size, size), (1.2, 60)) * 7 + _noise(rng, (size, size), (6, 200)) * 6
    result = np.empty((size, size, 3))
    height = size // boards
    for board in range(boards):
        rows = slice(board * height, (board + 1) * height)
        joint = int(rng.integers(size))
        tone = rng.normal(0, 11, 2)
        columns = (np.arange(size) + joint) % size < size // 2
        shade = np.where(columns, tone[0], tone[1])[None] + np.roll(grain[rows], joint, 1)
        result[rows] = np.array(color) + shade[..., None] * np.array([1.0, 0.85, 0.65])
        result[rows.start : rows.start + 2] *= 0.6
        for seam in (-joint % size, (size // 2 - joint) % size):
            result[rows, seam : seam + 2] *= 0.6
    return _texture(result)


def tiles(seed: int, color: Color, grout: Color, count: int = 4, size: int = 512) -> Texture:
    """Square tiles with grout lines and a faint cloud in each tile."""
    rng = np.random.default_rng(seed)
    cell = np.arange(size) * count // size
    result = np.array(color) + _noise(rng, (size, size), (9, 9))[..., None] * 5.0
    result += rng.normal(0, 5, (count, count))[cell[:, None], cell][..., None]
    lines = (np.arange(size) * count / size) % 1 < max(0.02, 2 * count / size)
    result[lines] = result[:, lines] = np.array(grout, dtype=float)
    return _texture(result)


def plaster(seed: int, color: Color, size: int = 384) -> Texture:
    """A painted wall: almost even, with a little roughness."""
    rng = np.random.default_rng(seed)
    field = _noise(rng, (size, size), (1, 1)) * 1.6 + _noise(rng, (size, size), (30, 30)) * 1.5
    return _texture(np.array(color) + field[..., None])


def striped_paper(seed: int, color: Color, other: Color, stripes: int = 8, size: int = 512) -> Texture:
    """Wallpaper with upright stripes and a fine weave."""
    rng = np.random.default_rng(seed)
    phase = np.sin(2 * np.pi * stripes * np.arange(size) / size)
    weight = 1 / (1 + np.exp(-phase * 12))
    result = np.array(color) * weight[None, :, None] + np.array(other) * (1 - weight)[None, :, None]
    return _texture(result + _noise(rng, (size, size), (2, 0.7))[..., None] * 2.5 + np.zeros((size, 1, 1)))


def rug(seed: int, colors: tuple[Color, Color, Color], size: int = 512) -> Texture:
    """A woven rug: border, field and rows of diamonds."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[0:size, 0:size] / size
    edge = np.minimum(np.minimum(row, 1 - row), np.minimum(column, 1 - column))
    diamond = np.abs((column * 6) % 1 - 0.5) + np.abs((row * 4) % 1 - 0.5)
    index = np.where(edge < 0.03, 1, np.where(edge < 0.06, 2, np.where(diamond < 0.28, 1, 0)))
    index = np.where((edge > 0.06) & (diamond > 0.28) & (diamond < 0.36), 2, index)
    weave = _noise(rng, (size, size), (0.7, 0.7)) * 7
    return _texture(np.array(colors, dtype=float)[index] + weave[..., None])


def painting(seed: int, height: int = 240, width: int = 320) -> Texture:
    """A landscape or an abstract picture, by the seed's parity."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[0:height, 0:width].astype(float)
    row, column = row / height, column / width
    palette = rng.uniform(30, 230, (7, 3))
    if seed % 2:
        sky = np.array([235, 190, 150]) * (1 - row)[..., None] + np.array([120, 160, 205]) * row[..., None]
        result = sky[::-1].copy()
        for layer in range(4):
            ridge = 0.42 + 0.14 * layer
            for wave in range(1, 6):
                ridge = ridge + rng.normal(0, 0.035 / wave) * np.sin(2 * np.pi * wave * column + rng.uniform(0, 6))
            tone = np.array([70, 105, 75]) * (1 - 0.2 * layer) + rng.normal(0, 14, 3)
            result = np.where((row > ridge)[..., None], tone, result)
    else:
        result = np.full((height, width, 3), 226.0)
        for color in palette:
            x, y = rng.uniform(0.1, 0.9, 2)
            extent = rng.uniform(0.1, 0.3)
            disc = (column - x) ** 2 * (width / height) ** 2 + (row - y) ** 2 < extent**2
            bar = (np.abs(column - x) < extent) & (np.abs(row - y) < extent / 5)
            result = np.where((disc if rng.random() < 0.5 else bar)[..., None], color, result)
    return _texture(result + _noise(rng, (height, width), (1, 1))[..., None] * 3)


def outdoors(seed: int, height: int = 192, width: int = 256) -> Texture:
    """The view through a window: a bright sky, clouds, trees and a lawn."""
    rng = np.random.default_rng(seed)
    row = np.linspace(0, 1, height)[:, None]
    cloud = np.clip(_noise(rng, (height, width), (10, 26)), 0, 2)[..., None]
    sky = np.array([120, 165, 222]) * (1 - row)[..., None] + np.array([196, 214, 232]) * row[..., None]
    result = sky + cloud * 14
    outline = 0.62 + 0.05 * _noise(rng, (1, width), (0, 9)) + 0.02 * _noise(rng, (1, width), (0, 2))
    leaves = np.array([84, 108, 66]) + _noise(rng, (height, width), (2, 2))[..., None] * 12
    result = np.where((row > outline)[..., None], leaves, result)
    lawn = np.array([128, 150, 84]) + _noise(rng, (height, width), (1, 3))[..., None] * 5
    result = np.where((row > 0.84 + 0 * outline)[..., None], lawn, result)
    return _texture(gaussian_filter(result, (1.5, 1.5, 0)))
