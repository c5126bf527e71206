"""Checkpoints of a run at an fsspec URL: complete or invisible, and the newest good one back again."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

from hpcmbal.ablation.run.remote_folder import RemoteFolder
from hpcmbal.errors import CheckpointError
from hpcmbal.model_files.store import CHECKPOINTS
from hpcmbal.training.checkpoint import MANIFEST_FILE, open_checkpoint

KEPT = 2
"""Newest checkpoints of a run that stay at the URL: the last, and one in case the last is damaged."""


def upload_checkpoints(remote: RemoteFolder, folders: Sequence[Path]) -> set[str]:
    """Upload complete checkpoints, oldest first, and remove what they replace.

    Only the newest is worth its bytes; those before it that wait as well are passed over.

    Args:
        remote: The run's folder.
        folders: Local checkpoint folders, oldest first.

    Returns:
        Names of the folders that need not be uploaded any more.

    Raises:
        OSError: The upload failed; nobody sees anything of it.
    """
    if folders:
        try:
            _upload(remote, folders[-1])
        except FileNotFoundError:
            if folders[-1].exists():
                raise
            return set()  # replaced by a newer one in the meantime, which is uploaded next time
        _remove_old(remote)
    return {folder.name for folder in folders}


def fetch_newest(remote: RemoteFolder, run: Path) -> Path | None:
    """Fetch the newest checkpoint whose files are what its manifest says; None if there is none.

    Args:
        remote: The run's folder.
        run: Local run folder into which it goes, under the name that the trainer gave it.
    """
    stored = remote.folder(CHECKPOINTS)
    files = stored.files()
    for name in reversed(_complete(files)):
        step = "-".join(name.split("-")[:2])
        folder = run / CHECKPOINTS / step
        try:
            for file in files:
                if file.startswith(f"{name}/"):
                    stored.fetch(file, folder / file.removeprefix(f"{name}/"))
            open_checkpoint(folder).verify()
        except (CheckpointError, FileNotFoundError):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        return folder
    return None


def _upload(remote: RemoteFolder, folder: Path) -> None:
    name = f"{CHECKPOINTS}/{folder.name}-{uuid.uuid4().hex[:6]}"
    for file in sorted(path.name for path in folder.iterdir() if path.name != MANIFEST_FILE):
        remote.upload_directly(folder / file, f"{name}/{file}")
    remote.upload(folder / MANIFEST_FILE, f"{name}/{MANIFEST_FILE}")


def _complete(files: Sequence[str]) -> list[str]:
    """Names of the folders that have a manifest, by step."""
    return sorted(file.removesuffix(f"/{MANIFEST_FILE}") for file in files if file.endswith(f"/{MANIFEST_FILE}"))


def _remove_old(remote: RemoteFolder) -> None:
    """Remove all that is older than the kept checkpoints; manifests first, so that none is seen half gone."""
    stored = remote.folder(CHECKPOINTS)
    files = stored.files()
    kept = _complete(files)[-KEPT:]
    old = [file for file in files if file.partition("/")[0] < kept[0]]
    for file in sorted(old, key=lambda file: not file.endswith(MANIFEST_FILE)):
        stored.remove(file)
