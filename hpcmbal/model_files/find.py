"""Which model a user means: the one rule for naming a model, in every command and function.

A model is named by
- the name of one that comes with the package (`hpcm-nano`),
- a model file (`.safetensors`),
- the folder of a checkpoint or of a run, of which the newest checkpoint counts,
- or its id, 16 hexadecimal digits, if it is packaged or lies in a folder of models (`HPCMBAL_MODEL_DIR`).
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from hpcmbal.core.model.variants import get_variant
from hpcmbal.errors import CheckpointError, HpcmbalWarning, setting
from hpcmbal.model_files.identity import MODEL_ID_BYTES, id_of
from hpcmbal.model_files.store import CHECKPOINTS, MODEL_FILE, read_header, read_weights
from hpcmbal.settings.section import expanded

DEFAULT_MODEL = "hpcm-nano-2"
MODEL_DIR_VARIABLE = "HPCMBAL_MODEL_DIR"
PACKAGED_MODELS = Path(__file__).resolve().parent.parent / "models"
"""Models that come with the package, one `NAME.safetensors` each; older ones stay, for the files that they wrote."""
_ID = re.compile(rf"[0-9a-fA-F]{{{2 * MODEL_ID_BYTES}}}")


class ModelFileWarning(HpcmbalWarning):
    """A file in a folder of models that cannot be used and was passed over."""


def find_model(wanted: str | Path | None = None, model_dirs: Sequence[str | Path] = ()) -> Path:
    """The model file that a user means.

    Args:
        wanted: A name as above; None for the default model. A packaged name given as text means the packaged model even
            if a file or folder has that name (`./hpcm-nano` means the folder); given as a `Path`, it is a path first.
        model_dirs: Where to look for ids, before HPCMBAL_MODEL_DIR and the packaged models.

    Raises:
        CheckpointError: There is no such model; the message says how models are named.
    """
    text = DEFAULT_MODEL if wanted is None else str(wanted)
    path = expanded(Path(text))
    packaged, exists = packaged_model(text), _exists(path)
    if packaged is not None and not (exists and isinstance(wanted, Path)):
        return packaged
    if exists:
        return model_in(path)
    if _ID.fullmatch(text):
        found = next(find_by_id(bytes.fromhex(text), model_dirs), None)
        if found is None:
            raise missing_model(bytes.fromhex(text), model_dirs)
        return found
    known = ", ".join(packaged_names()) or "none"
    raise CheckpointError(
        f"There is no model '{text}': packaged are: {known}; and no file or folder has this name. Give a packaged "
        "name, a model file (.safetensors), the folder of a checkpoint or of a run, or an id (16 hexadecimal digits)."
    )


def packaged_names() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.stem for path in PACKAGED_MODELS.glob("*.safetensors"))


def packaged_model(name: str) -> Path | None:
    """The file of the model of this name that comes with the package, if there is one."""
    return PACKAGED_MODELS / f"{name}.safetensors" if name in packaged_names() else None


def model_in(path: Path) -> Path:
    """The model file at a path that exists: itself, the one in a checkpoint's folder, or a run's newest.

    Raises:
        CheckpointError: There is none.
    """
    if not path.is_dir():
        return path
    if (path / MODEL_FILE).is_file():
        return path / MODEL_FILE
    found = sorted((path / CHECKPOINTS).glob(f"step-*/{MODEL_FILE}"))
    if not found:
        raise CheckpointError(
            f"{path} holds no checkpoint. Give a model file (.safetensors), a checkpoint's folder, or a run's folder."
        )
    return found[-1]


def find_by_id(wanted: bytes, model_dirs: Sequence[str | Path] = ()) -> Iterator[Path]:
    """Model files that say they have this id: in `model_dirs`, then HPCMBAL_MODEL_DIR, then among the packaged ones.

    What a file says is not proof: whoever loads it compares the id of the network. A file that is no model of this
    package, is damaged, or holds what cannot be weights is passed over with a `ModelFileWarning`.
    """
    for place in search_places(model_dirs):
        for path in _model_files(place):
            if claimed_id(path) == wanted:
                yield path


def search_places(model_dirs: Sequence[str | Path] = ()) -> list[Path]:
    """Folders in which models are searched by id, in order."""
    environment = [Path(part) for part in os.environ.get(MODEL_DIR_VARIABLE, "").split(os.pathsep) if part]
    return [*map(Path, model_dirs), *environment, PACKAGED_MODELS]


def missing_model(wanted: bytes, model_dirs: Sequence[str | Path] = (), why: str = "is asked for") -> CheckpointError:
    """What to raise where no file has the id; `why` says what it is needed for."""
    return CheckpointError(
        f"The model with id {wanted.hex()}, which {why}, was not found. Searched: "
        f"{', '.join(map(str, search_places(model_dirs)))}. Give the folder of the model's file with "
        f"{setting('model_dirs')} or {MODEL_DIR_VARIABLE}."
    )


def pass_over(path: Path, reason: object) -> None:
    """Warn that the search goes on without a file."""
    text = str(reason)
    shown = text if text.startswith(str(path)) else f"{path}: {text}"
    warnings.warn(f"{shown} The search for the model goes on without this file.", ModelFileWarning, stacklevel=2)


def claimed_id(path: Path) -> bytes | None:
    """The id that a model file says it has, or that its weights have; None, with a warning, if it cannot be used."""
    try:
        status = path.stat()
        return _claimed_id(path, status.st_mtime_ns, status.st_size)
    except (CheckpointError, OSError) as error:
        pass_over(path, error)
        return None


@lru_cache(maxsize=4096)
def _claimed_id(path: Path, modified_ns: int, size_bytes: int) -> bytes:
    del modified_ns, size_bytes  # parts of the key: another file has other ones
    header = read_header(path)
    return header.model_id or id_of(get_variant(header.variant), header.rates, read_weights(path))


def _model_files(place: Path) -> Iterator[Path]:
    """Model files in a folder, in its checkpoint folders, and those of a run, the newest first."""
    patterns = (("*.safetensors", False), (f"*/{MODEL_FILE}", False), (f"{CHECKPOINTS}/*/{MODEL_FILE}", True))
    for pattern, newest_first in patterns:
        yield from (path for path in sorted(place.glob(pattern), reverse=newest_first) if path.is_file())


def _exists(path: Path) -> bool:
    """Whether something is there; names that the system does not allow are not."""
    try:
        return path.exists()
    except OSError:
        return False
