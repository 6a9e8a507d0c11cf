"""Integer arrays out of a bundle's .npz files, with errors that name the file and the array.

Law: only integers come out, as int64; nothing is unpickled.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import BundleError


def read_integer_arrays(
    path: Path, required: Collection[str], optional: Collection[str] = ()
) -> dict[str, NDArray[np.int64]]:
    """The named arrays as int64; optional ones only where the file has them. Raises BundleError."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            present = set(archive.files)
            missing = sorted(set(required) - present)
            if missing:
                raise BundleError(str(path), f"has no array {', '.join(missing)}; export the bundle again")
            arrays = {name: archive[name] for name in (*required, *optional) if name in present}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(str(path), f"cannot be read as arrays ({error}); export the bundle again") from error
    for name, array in arrays.items():
        if array.dtype.kind not in "iu":
            raise BundleError(str(path), f"array {name} holds {array.dtype}, not integers; export the bundle again")
    return {name: array.astype(np.int64) for name, array in arrays.items()}
