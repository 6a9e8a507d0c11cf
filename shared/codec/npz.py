"""Integer arrays out of a bundle's .npz files, with errors that name the file and the array.

Laws: only integers come out, as int64, and nothing is unpickled. No file takes more than LARGEST_BYTES in memory.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import BundleError

LARGEST_BYTES = 1 << 28
"""The bound of all arrays of a file together; the released bundles have less than a mebibyte.

A zip file can claim a thousand times the bytes that it has.
"""


def read_integer_arrays(
    path: Path, required: Collection[str], optional: Collection[str] = ()
) -> dict[str, NDArray[np.int64]]:
    """Return the named arrays as int64, the optional ones where the file has them; raises BundleError."""
    try:
        arrays = _arrays(path, required, optional)
    except BundleError:
        raise
    except Exception as error:
        # zipfile, zlib and numpy raise nearly any exception for a damaged file, and all of them mean the same here.
        raise BundleError(str(path), f"cannot be read as arrays ({error}); export the bundle again") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise BundleError(str(path), f"{name} is no array; export the bundle again")
        if array.dtype.kind not in "iu":
            raise BundleError(str(path), f"array {name} holds {array.dtype}, not integers; export the bundle again")
        if array.dtype.kind == "u" and array.size and int(array.max()) >= 1 << 63:
            raise BundleError(str(path), f"array {name} has a value of 2^63 or more; export the bundle again")
    return {name: array.astype(np.int64) for name, array in arrays.items()}


def _arrays(path: Path, required: Collection[str], optional: Collection[str]) -> dict[str, NDArray[Any]]:
    if not zipfile.is_zipfile(path):
        raise BundleError(str(path), "is no .npz file; export the bundle again")
    with zipfile.ZipFile(path) as archive:
        claimed = sum(member.file_size for member in archive.infolist())
    if claimed > LARGEST_BYTES:
        raise BundleError(str(path), f"has {claimed} bytes of arrays; at most {LARGEST_BYTES} are taken")
    with np.load(path, allow_pickle=False) as archive:
        present = set(archive.files)
        missing = sorted(set(required) - present)
        if missing:
            raise BundleError(str(path), f"has no array {', '.join(missing)}; export the bundle again")
        return {name: archive[name] for name in (*required, *optional) if name in present}
