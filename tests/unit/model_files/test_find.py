"""The one rule for naming a model, and the search by id among files of every kind."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hpcmbal.codec.codec_model import find_codec_model, load_codec_model
from hpcmbal.core.model import HPCM, OneRate
from hpcmbal.errors import CheckpointError
from hpcmbal.model_files.find import DEFAULT_MODEL, PACKAGED_MODELS, ModelFileWarning, find_by_id, find_model
from hpcmbal.model_files.header import MODEL_FORMAT
from hpcmbal.model_files.store import save_model

NANO = "hpcm-nano"
PACKAGED = PACKAGED_MODELS / f"{NANO}.safetensors"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A model file in a folder of its own, and its id."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        weights = HPCM(NANO).state_dict()
    path = tmp_path_factory.mktemp("models") / "mine.safetensors"
    return path, save_model(path, NANO, weights, rates=OneRate(0.02))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with two checkpoints."""
    for step in (100, 20):
        folder = tmp_path / "run" / "checkpoints" / f"step-{step:08d}"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"")
    return tmp_path / "run"


def test_the_default_and_packaged_names() -> None:
    assert find_model() == find_model(DEFAULT_MODEL)
    assert find_model(NANO) == find_model(Path(NANO)) == PACKAGED


def test_a_file_a_checkpoint_and_a_run_of_which_the_newest_counts(run: Path) -> None:
    newest = run / "checkpoints" / "step-00000100"
    assert find_model(run) == find_model(str(newest)) == find_model(newest / "model.safetensors")
    assert find_model(run) == newest / "model.safetensors"


def test_text_is_a_packaged_name_first_and_a_path_is_a_path_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / NANO).mkdir()
    own = tmp_path / NANO / "model.safetensors"
    own.write_bytes(b"")
    assert find_model(NANO) == PACKAGED
    assert find_model(f"./{NANO}").resolve() == own
    assert find_model(Path(NANO)).resolve() == own


def test_an_id_means_the_model_that_has_it(stored: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    path, identity = stored
    assert find_model("4D03ec001a31c982") == PACKAGED
    assert find_model(identity.hex(), [path.parent]) == path
    with pytest.raises(CheckpointError, match=f"id {identity.hex()}, which is asked for, was not found. Searched: "):
        find_model(identity.hex())
    monkeypatch.setenv("HPCMBAL_MODEL_DIR", f"/nowhere:{path.parent}")
    assert find_model(identity.hex()) == path
    assert load_codec_model(identity.hex()).model_id == identity


@pytest.mark.parametrize("name", ["hpcm-giant", "4d03ec", "a" * 5000, "../models/hpcm-nano", ""])
def test_other_names_are_refused_with_the_rule(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"no model|holds no checkpoint"):
        find_model(name)


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no checkpoint. Give a model file"):
        find_model(tmp_path)


class TestSearchAmongForeignFiles:
    @staticmethod
    def foreign(folder: Path) -> None:
        save_file({"lora.up": torch.zeros(2)}, folder / "a-foreign.safetensors")

    @staticmethod
    def broken(folder: Path) -> None:
        (folder / "a-broken.safetensors").write_bytes(b"\xff" * 40)

    @staticmethod
    def empty(folder: Path) -> None:
        (folder / "a-empty.safetensors").write_bytes(b"")

    @staticmethod
    def folder(folder: Path) -> None:
        (folder / "a-folder.safetensors").mkdir()

    @staticmethod
    def diverged(folder: Path) -> None:
        """With the right id in its header, and NaN among its weights."""
        weights = {name: torch.full_like(value, torch.nan) for name, value in HPCM(NANO).state_dict().items()}
        header = {"format": MODEL_FORMAT, "variant": NANO, "metadata": '{"model_id": "4d03ec001a31c982"}'}
        save_file(weights, folder / "a-diverged.safetensors", metadata=header)

    @staticmethod
    def liar(folder: Path) -> None:
        """A good model that claims the id of another."""
        header = {"format": MODEL_FORMAT, "variant": NANO, "metadata": '{"model_id": "4d03ec001a31c982"}'}
        save_file(HPCM(NANO).state_dict(), folder / "a-liar.safetensors", metadata=header)

    @pytest.mark.parametrize("kind", ["foreign", "broken", "empty", "diverged", "liar"])
    def test_a_file_that_cannot_be_used_is_a_warning_and_the_search_goes_on(self, tmp_path: Path, kind: str) -> None:
        getattr(self, kind)(tmp_path)
        with pytest.warns(ModelFileWarning, match=rf"a-{kind}\.safetensors.*The search for the model goes on"):
            model = find_codec_model(bytes.fromhex("4d03ec001a31c982"), [tmp_path])
        assert model.name == NANO

    def test_what_is_no_file_is_no_model_and_no_warning(self, tmp_path: Path) -> None:
        self.folder(tmp_path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert list(find_by_id(bytes.fromhex("4d03ec001a31c982"), [tmp_path])) == [PACKAGED]

    def test_files_before_ids_were_stored_are_known_by_their_weights(
        self, tmp_path: Path, stored: tuple[Path, bytes]
    ) -> None:
        weights = HPCM(NANO).state_dict()
        old = tmp_path / "old.safetensors"
        save_file(weights, old, metadata={"format": MODEL_FORMAT, "variant": NANO, "metadata": "{}"})
        identity = save_model(tmp_path / "elsewhere" / "x.safetensors", NANO, weights)
        assert next(find_by_id(identity, [tmp_path])) == old


def test_threads_that_ask_at_once_load_a_model_once(
    stored: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    from hpcmbal.codec import codec_model

    loaded: list[Path] = []
    load, barrier = codec_model.load_network, Barrier(16)
    monkeypatch.setattr(codec_model, "load_network", lambda path: loaded.append(path) or load(path))
    codec_model._load_cached.cache_clear()

    def ask(_: int) -> object:
        barrier.wait()
        return load_codec_model(stored[0])

    with ThreadPoolExecutor(16) as pool:
        models = list(pool.map(ask, range(16)))
    assert len(set(map(id, models))) == 1
    assert loaded == [stored[0].resolve()]
