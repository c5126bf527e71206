"""The packaged model with an adapted encoder: files that decoders which exist read, under the same id."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import write_photos

import hpcmbal
from hpcmbal.cli.app import main
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.identity import model_id
from hpcmbal.model_files.store import load_network

pytestmark = pytest.mark.slow


def test_the_untouched_packaged_model_decodes_the_files_of_an_adapted_encoder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    write_photos(photos, 4)
    run = tmp_path / "run"
    words = ["--train-data", str(photos), "--val-data", str(photos), "--save-path", str(run), "--max-steps", "4"]
    small = ["--batch-size", "2", "--patch-size", "64", "--learning-rate", "1e-3", "--set", "schedule.warmup_steps=0"]
    assert main(["train", "--preset", "finetune-encoder-nano", *words, *small, "--device", "cpu"]) == 0
    assert "trains: g_a: 336,640 at 0.001; " in capsys.readouterr().out

    packaged, adapted = (load_network(find_model(name)) for name in ("hpcm-nano", run))
    assert model_id(adapted) == model_id(packaged)
    assert (adapted.g_a.branch[0].weight - packaged.g_a.branch[0].weight).abs().max() > 0

    picture = Image.open(photos / "0.png")
    own, old = (hpcmbal.compress(picture, model=model, mode="learned") for model in (str(run), None))
    assert own != old, "another encoder chose other symbols"
    with_packaged, with_adapted = hpcmbal.decompress(own), hpcmbal.decompress(own, model=str(run))
    assert np.array_equal(np.asarray(with_packaged), np.asarray(with_adapted))
