"""Spellings of the prototype become ours."""

from __future__ import annotations

import pytest

from hpcmbal.cli.spelling import MEANINGLESS, RENAMED, accept_prototype_spelling
from hpcmbal.errors import SettingsError
from hpcmbal.settings.flags import FLAGS


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--train_dataset a --test_dataset b_c", "--train-data a --val-data b_c"),
        ("--clip_max_norm 1.0 --gamma_s1 0.01", "--clip-max-norm 1.0 --gamma-s1 0.01"),
        ("--lmbda 0.013 --batch_size=8", "--lambda 0.013 --batch-size 8"),
        ("--model_name HPCM_Base -e 30", "--model-name HPCM_Base --epochs 30"),
        ("-lr 5e-5 -n 4", "--learning-rate 5e-5 --num-workers 4"),
        ("--cuda", "--device cuda"),
        ("--gpu_id 1", "--device cuda:1"),
        ("--cuda --gpu_id=1", "--device cuda:1"),
        ("--device cuda:2 --cuda", "--device cuda:2"),
        ("--patch_size 256 256 --seed 1", "--patch-size 256 --seed 1"),
        ("--scale_weights 0.3 0.4 .3 --use_hierarchical", "--scale-weights 0.3,0.4,.3 --use-hierarchical"),
        ("--set loss.lmbda_min=0.002 --dry-run", "--set loss.lmbda_min=0.002 --dry-run"),
        ("--set=loss.lmbda_min=0.002", "--set loss.lmbda_min=0.002"),
        ("--lambda -0.01", "--lambda -0.01"),
    ],
)  # fmt: skip
def test_old_spellings(typed: str, meant: str) -> None:
    assert accept_prototype_spelling(["train", *typed.split()]) == ["train", *meant.split()]


def test_only_train_had_old_spellings() -> None:
    arguments = ["presets", "show", "--as_is", "-m"]
    assert accept_prototype_spelling(arguments) == arguments
    assert accept_prototype_spelling([]) == []


@pytest.mark.parametrize("typed", ["--aux-learning-rate 1e-3", "--aux_learning_rate=1e-3"])
def test_the_auxiliary_learning_rate_is_explained(typed: str) -> None:
    with pytest.raises(SettingsError, match=r"HPCM has no auxiliary loss .* there is no learning rate to set"):
        accept_prototype_spelling(["train", *typed.split()])


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("--gpu_id", "--gpu-id needs the number of a CUDA device"),
        ("--gpu_id=all", "--gpu-id needs the number of a CUDA device"),
        ("--patch_size 256 128", r"--patch-size 256 128: patches are square"),
        ("--cuda --device cpu", "--cuda contradicts --device cpu"),
    ],
)
def test_what_cannot_be_translated_says_why(typed: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        accept_prototype_spelling(["train", *typed.split()])


def test_tables_lead_to_flags_that_exist() -> None:
    assert set(RENAMED.values()) <= FLAGS.keys()
    assert not RENAMED.keys() & FLAGS.keys()
    assert not MEANINGLESS.keys() & (FLAGS.keys() | RENAMED.keys())
