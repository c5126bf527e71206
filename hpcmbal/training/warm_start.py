"""Starting from the weights of another model, as far as they fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from hpcmbal.core.model.hpcm import CODER_TABLES, RATES_ENTRY
from hpcmbal.core.model.parts import PARTS, part_of
from hpcmbal.errors import CheckpointError, setting
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.official import import_official
from hpcmbal.model_files.store import read_weights
from hpcmbal.model_files.weights import listed
from hpcmbal.settings.section import expanded

_RELEASED = (".tar", ".pth", ".pt")


class WarmStart(NamedTuple):
    """What a model gave to the start of a training.

    Attributes:
        source: The file.
        loaded: Entries that were taken over.
        missing: Entries of the network that the model has not, or in another shape: they start as they always do.
        unused: Entries of the model that the network has not.
    """

    source: Path
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        """One line for people, part by part where not everything fits."""
        if not self.missing:
            return f"all {len(self.loaded)} tensors of {self.source}"
        parts = []
        for part in PARTS:
            total = sum(part_of(name) == part for name in (*self.loaded, *self.missing))
            fits = sum(part_of(name) == part for name in self.loaded)
            if total:
                parts.append(f"{part} {fits} of {total}")
        return (
            f"{len(self.loaded)} of {len(self.loaded) + len(self.missing)} tensors of {self.source}: {', '.join(parts)}"
        )


def load_start(model: nn.Module, wanted: str, *, strict: bool = False) -> WarmStart:
    """Put the weights of a model into `model`, where name and shape agree.

    Args:
        model: The network; changed in place.
        wanted: A packaged name, a model file, a checkpoint or run, an id, or a released `.pth.tar` file.
        strict: Refuse what does not fit in every entry.

    Raises:
        CheckpointError: There is no such model, it cannot be read, nothing of it fits, or `strict` and not all fits.
    """
    source, weights = read_start(wanted)
    own = {name: tensor for name, tensor in model.state_dict().items() if name not in CODER_TABLES}
    fitting = tuple(name for name, tensor in own.items() if name in weights and weights[name].shape == tensor.shape)
    missing = tuple(name for name in own if name not in fitting)
    unused = tuple(name for name in weights if name not in own and name not in (RATES_ENTRY, *CODER_TABLES))
    if not fitting or (strict and (missing or unused)):
        what = "Nothing" if not fitting else f"Not all of it ({len(fitting)} of {len(own)} tensors)"
        raise CheckpointError(
            f"{source} cannot be the start of this network. {what} fits; others: {listed((*missing, *unused))}. "
            f"Choose another {setting('finetune.init_from')}, or its own network with {setting('model.name')}."
        )
    model.load_state_dict({name: weights[name] for name in fitting}, strict=False)
    return WarmStart(source, fitting, missing, unused)


def check_frozen_start(start: WarmStart, factors: Mapping[str, float]) -> None:
    """Raise if something that does not learn found nothing in the model to start from.

    Args:
        start: What the model gave.
        factors: Of the learning rate by parameter; 0 is frozen.

    Raises:
        CheckpointError: The message names the parts that would stay random.
    """
    random = {part_of(name) for name in start.missing if factors.get(name) == 0}
    if random:
        parts = ", ".join(part for part in PARTS if part in random)
        raise CheckpointError(
            f"{start.source} does not fit all that is frozen: of {parts} something would stay random. Choose another "
            f"{setting('finetune.init_from')}, or let them learn ({setting('finetune.freeze')}, "
            f"{setting('finetune.rounded')})."
        )


def read_start(wanted: str) -> tuple[Path, Mapping[str, Tensor]]:
    """The file that a user means, and its weights."""
    path = expanded(Path(wanted))
    if path.suffix in _RELEASED and path.is_file():
        return path, import_official(path).state_dict
    file = find_model(wanted)
    return file, read_weights(file)
