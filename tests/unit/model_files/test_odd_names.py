"""Names that the system allows, of model files: safetensors knows only UTF-8."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from hpcmbal.core.model import HPCM, get_variant
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import load_network, read_header, save_model
from hpcmbal.settings.coding import CompressSettings
from hpcmbal.settings.pictures import ReconstructSettings
from hpcmbal.settings.study import StudySettings

ODD = os.fsdecode(b"\xff[/b]\xfe")


def test_a_model_may_have_any_name_and_lie_in_any_folder(tmp_path: Path) -> None:
    weights = HPCM(get_variant("hpcm-nano")).state_dict()
    path = tmp_path / ODD / f"{ODD}.safetensors"
    identity = save_model(path, "hpcm-nano", weights)
    assert not path.is_symlink()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert read_header(path).model_id == identity
    assert find_model(str(path)) == path
    loaded = load_network(path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in weights.items())


def test_settings_take_any_name() -> None:
    assert ReconstructSettings(model=ODD).model == ODD
    assert CompressSettings(inputs=(Path(ODD),), model=ODD, output=ODD).output == ODD
    assert StudySettings(study="gamma", output=ODD).output == ODD
