"""How small a study is, in plain words: what its numbers cannot say."""

from __future__ import annotations

from hpcmbal.ablation.plan.study import Study
from hpcmbal.settings import load_train_settings

ENOUGH_SEEDS = 5
"""With fewer, a t interval is several standard errors wide to either side."""
ENOUGH_IMAGES = 10


def size_notes(study: Study, steps: int, images: int) -> list[str]:
    """Sentences about what makes a study small; none for a large one.

    Args:
        study: The study.
        steps: Optimiser steps of each run.
        images: Evaluation images.
    """
    notes = []
    whole = load_train_settings(study.base_preset).training.max_steps
    if whole is not None and steps < whole:
        notes.append(
            f"Each run has {steps:,} of the {whole:,} steps of preset '{study.base_preset}': what differs this early "
            "may not differ later, and the other way round."
        )
    if images < ENOUGH_IMAGES:
        count = "One evaluation image" if images == 1 else f"{images} evaluation images"
        notes.append(f"{count}: nothing is known about other images.")
    return notes


def seed_note(study: Study) -> str | None:
    """A sentence about few seeds; the remarks of a finished comparison have their own."""
    if len(study.seeds) >= ENOUGH_SEEDS:
        return None
    if len(study.seeds) == 1:
        return "One seed gives no intervals and no verdict; three are a start."
    few = f"{len(study.seeds)} seeds: intervals are wide."
    return f"{few} An arm that is 'not distinguishable' may still be better or worse."
