"""Where a study lives: a run taken up by another worker finds what the first one left, complete or not at all."""

from __future__ import annotations

import json
import pickle
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hpcmbal.ablation.run.fsspec_storage import FsspecStorage
from hpcmbal.ablation.run.remote_checkpoints import fetch_newest, upload_checkpoints
from hpcmbal.ablation.run.remote_folder import RemoteFolder, connect
from hpcmbal.ablation.run.storage import LocalStorage, StudyStorage, open_storage
from hpcmbal.core.model import HPCM, get_variant
from hpcmbal.errors import DataError, HpcmbalError, MissingExtraError, SettingsError
from hpcmbal.settings import TrainSettings
from hpcmbal.training.checkpoint import list_checkpoints, open_checkpoint, save_checkpoint

RUN = "runs/none/lmbda-0.013/seed-0"

fsspec = pytest.importorskip("fsspec", reason="needs fsspec: pip install 'hpcmbal[cluster]'")


@pytest.fixture(params=["folder", "file", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> StudyStorage:
    place = tmp_path / "study"
    memory = f"memory://{uuid.uuid4().hex}/study"
    return open_storage({"folder": str(place), "file": f"file://{place}", "memory": memory}[request.param])


@pytest.fixture
def remote() -> RemoteFolder:
    return connect(f"memory://{uuid.uuid4().hex}/run")


@pytest.fixture(scope="module")
def save() -> Callable[[Path, int], Path]:
    """Save a checkpoint of a step in a run's folder."""
    weights = HPCM(get_variant("hpcm-nano")).state_dict()
    settings = TrainSettings.model_validate({"training": {"max_steps": 100}, "output": {"keep": 2}})
    state = {"random": torch.randn(1000)}
    return lambda run, step: save_checkpoint(run, step, settings, weights=weights, trainer_state={**state, "at": step})


class TestEveryStorage:
    def test_a_run_finds_what_the_last_attempt_left(self, storage: StudyStorage, save: Any) -> None:
        with storage.run_folder(RUN) as folder:
            assert list(folder.iterdir()) == []
            save(folder, 5)
            saved = save(folder, 10)
            content = (saved / "trainer.pt").read_bytes()
            (folder / "logs").mkdir()
            (folder / "logs" / "metrics.jsonl").write_text('{"step": 10}\n')
        with storage.run_folder(RUN) as folder:
            checkpoint = open_checkpoint(folder)
            assert (checkpoint.step, checkpoint.folder.name) == (10, "step-00000010")
            assert (checkpoint.folder / "trainer.pt").read_bytes() == content
            assert (folder / "logs" / "metrics.jsonl").read_text() == '{"step": 10}\n'

    def test_what_there_is_is_kept_when_a_run_ends_with_an_error(self, storage: StudyStorage, save: Any) -> None:
        def interrupted() -> None:
            with storage.run_folder(RUN) as folder:
                save(folder, 3)
                raise KeyboardInterrupt("asked to stop")

        with pytest.raises(KeyboardInterrupt, match="asked to stop"):
            interrupted()
        with storage.run_folder(RUN) as folder:
            assert open_checkpoint(folder).step == 3

    def test_the_leader_sees_records_and_logs_and_its_results_stay(self, storage: StudyStorage, save: Any) -> None:
        with storage.study_folder() as study:
            (study / "study.yaml").write_text("name: s\n")
            with storage.run_folder(RUN) as folder:
                save(folder, 1)
                (folder / "record.json").write_text("{}")
            storage.collect(study)
            assert (study / RUN / "record.json").read_text() == "{}"
            (study / "figures").mkdir()
            (study / "figures" / "j.png").write_bytes(b"picture")
        with storage.study_folder() as study:
            assert (study / "study.yaml").read_text() == "name: s\n"
            assert (study / "figures" / "j.png").read_bytes() == b"picture"
            assert (study / RUN / "record.json").is_file()

    def test_it_travels_to_other_processes(self, storage: StudyStorage) -> None:
        assert pickle.loads(pickle.dumps(storage)) == storage


class TestCheckpointsAtAUrl:
    def test_without_its_manifest_a_checkpoint_is_not_there(
        self, remote: RemoteFolder, save: Any, tmp_path: Path
    ) -> None:
        upload_checkpoints(remote, [save(tmp_path / "a", 5), save(tmp_path / "a", 10)])
        (manifest,) = [name for name in remote.files() if "step-00000010-" in name and name.endswith("manifest.json")]
        upload_checkpoints(remote, [save(tmp_path / "a", 15)])
        (newest,) = [name for name in remote.files() if "step-00000015-" in name and name.endswith("manifest.json")]
        remote.remove(newest)
        assert manifest in remote.files()
        fetched = fetch_newest(remote, tmp_path / "b")
        assert fetched is not None
        assert open_checkpoint(tmp_path / "b").step == 10

    def test_a_damaged_one_gives_way_to_the_one_before(self, remote: RemoteFolder, save: Any, tmp_path: Path) -> None:
        for step in (5, 10):
            upload_checkpoints(remote, [save(tmp_path / "a", step)])
        (state,) = [name for name in remote.files() if "step-00000010-" in name and name.endswith("trainer.pt")]
        remote.fs.pipe_file(f"{remote.root}/{state}", b"half of it")
        fetch_newest(remote, tmp_path / "b")
        assert [path.name for path in list_checkpoints(tmp_path / "b")] == ["step-00000005"]

    def test_two_workers_with_one_run_do_not_mix_their_files(
        self, remote: RemoteFolder, save: Any, tmp_path: Path
    ) -> None:
        """The first is believed dead, and still writes while its successor does."""
        ours, theirs = save(tmp_path / "ours", 5), save(tmp_path / "theirs", 5)
        upload_checkpoints(remote, [ours])
        upload_checkpoints(remote, [theirs])
        folders = {name.split("/")[1] for name in remote.files()}
        assert len(folders) == 2
        fetch_newest(remote, tmp_path / "b")
        open_checkpoint(tmp_path / "b").verify()

    def test_old_ones_go(self, remote: RemoteFolder, save: Any, tmp_path: Path) -> None:
        remote.fs.pipe_file(f"{remote.root}/checkpoints/step-00000001-dead00/trainer.pt", b"of a worker that died")
        for step in (5, 10, 15):
            upload_checkpoints(remote, [save(tmp_path / "a", step)])
        steps = {name.split("/")[1].rpartition("-")[0] for name in remote.files()}
        assert steps == {"step-00000010", "step-00000015"}

    def test_a_failed_upload_is_an_error_at_the_end(
        self, save: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        storage = FsspecStorage(f"memory://{uuid.uuid4().hex}", sync_seconds=0.01)

        def refuse(*arguments: object) -> None:
            raise ConnectionError("the network is gone")

        def run() -> None:
            with storage.run_folder(RUN) as folder:
                monkeypatch.setattr(RemoteFolder, "upload_directly", refuse)
                save(folder, 5)
                time.sleep(0.1)

        with pytest.raises(ConnectionError, match="network is gone"):
            run()


def test_checkpoints_are_kept_while_the_run_goes_on(save: Any, tmp_path: Path) -> None:
    storage = FsspecStorage(f"file://{tmp_path}/study", sync_seconds=0.01)
    stored = tmp_path / "study" / RUN / "checkpoints"
    with storage.run_folder(RUN) as folder:
        save(folder, 5)
        waiting = threading.Event()
        for _ in range(1000):
            if any(stored.glob("step-00000005-*/manifest.json")):
                break
            waiting.wait(0.01)
        (found,) = stored.glob("step-00000005-*/manifest.json")
        assert json.loads(found.read_text())["step"] == 5


def test_nothing_is_copied_on_a_shared_path(tmp_path: Path) -> None:
    with LocalStorage(tmp_path).run_folder(RUN) as folder:
        assert folder == tmp_path / RUN


def test_scratch_folders_do_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with FsspecStorage(f"memory://{uuid.uuid4().hex}").run_folder(RUN) as folder:
        assert folder.is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


class TestWrongPlaces:
    def test_an_unknown_kind_of_url(self) -> None:
        with pytest.raises(SettingsError, match="fsspec does not know s33://"):
            open_storage("s33://bucket/study")

    def test_a_driver_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(url: str) -> None:
            raise ImportError("Install s3fs to access S3")

        monkeypatch.setattr(fsspec, "url_to_fs", missing)
        with pytest.raises(SettingsError, match="pip install s3fs"):
            open_storage("s3://bucket/study")

    def test_a_place_that_refuses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(self: object, path: str) -> None:
            raise PermissionError("access denied")

        monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.info", refuse)
        with pytest.raises(HpcmbalError, match="study cannot be reached: access denied"):
            open_storage("memory://study")

    def test_without_fsspec(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'hpcmbal\[cluster\]'"):
            open_storage("s3://bucket/study")


class TestNamesFromOutside:
    @pytest.mark.parametrize(
        "name", ["../../x", "runs/../../x", "/etc/x", "a//b", "runs/./x", "a\\b", "c:x", "a\nb", "a\x1b[2J"]
    )
    def test_an_object_whose_name_leaves_its_folder_is_not_copied(
        self, remote: RemoteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setattr(type(remote.fs), "find", lambda self, root: [f"{root}/good.txt", f"{root}/{name}"])
        with pytest.raises(DataError, match="is no path inside a folder. Nothing was copied"):
            remote.download(tmp_path / "inside", leave_out="checkpoints")
        with pytest.raises(DataError, match="is no path inside a folder"):
            fetch_newest(remote, tmp_path / "inside")
        assert list(tmp_path.iterdir()) == []

    def test_objects_that_stand_for_folders_are_passed_over(
        self, remote: RemoteFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(type(remote.fs), "find", lambda self, root: [root, f"{root}/runs/", f"{root}/runs/a"])
        assert remote.files() == ["runs/a"]


SECRET = "hunter2"


@pytest.mark.parametrize("kind", ["unknown", "memory"])
def test_errors_of_a_place_do_not_tell_its_password(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    def refuse(self: object, path: str) -> None:
        raise PermissionError(f"memory://ann:{SECRET}@host/study: denied")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.info", refuse)
    with pytest.raises(HpcmbalError, match="://host/study") as caught:
        open_storage(f"{kind}://ann:{SECRET}@host/study")
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(FsspecStorage(f"memory://ann:{SECRET}@host/study"))
