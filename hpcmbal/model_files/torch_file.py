"""Files that `torch.save` wrote, read as data: code inside them never runs."""

from __future__ import annotations

import pickle
import struct
import warnings
from pathlib import Path

import torch

from hpcmbal.errors import CheckpointError

_DAMAGE = (
    pickle.UnpicklingError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError,
    ArithmeticError, ImportError, MemoryError, struct.error,
)  # fmt: skip
"""What torch's reader raises for a file that is not a whole checkpoint of tensors."""


def read_torch_file(path: Path) -> object:
    """What is in the file, tensors on the CPU.

    Raises:
        CheckpointError: It cannot be read, is damaged, or holds other objects than tensors and plain values.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on sparse tensors and odd archives, for its developers
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from error
    except _DAMAGE as error:
        raise CheckpointError(
            f"{path} is no PyTorch checkpoint of plain tensors: it is another kind of file, damaged, or holds Python "
            "objects, which are never loaded."
        ) from error
