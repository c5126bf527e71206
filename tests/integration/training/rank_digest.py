"""One rank of a training of a tiny network, run by torchrun; writes what this rank ended with.

torchrun --nproc-per-node 2 rank_digest.py SETTINGS.json OUT
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from hpcmbal.core.model import variants
from hpcmbal.settings import load_train_settings
from hpcmbal.training import trainer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from tiny import TINY_NANO


def main() -> None:
    """Train, and save this rank's weights and balancing."""
    # Here, not at import: pytest imports every file of this folder in its search for doctests.
    variants.VARIANTS["hpcm-nano"] = TINY_NANO
    settings, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    states: list[Any] = []
    build = trainer.build_state

    def keep(*arguments: Any, **options: Any) -> Any:
        states.append(build(*arguments, **options))
        return states[-1]

    trainer.build_state = keep
    trainer.train(load_train_settings(settings.pop("preset"), settings))
    (state,) = states
    torch.save(
        {"weights": state.model.state_dict(), "balancer": state.balancer.state_dict(), "step": state.step},
        out / f"rank-{os.environ.get('RANK', '0')}.pt",
    )


if __name__ == "__main__":
    main()
