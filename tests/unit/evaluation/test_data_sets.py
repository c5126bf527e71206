"""A folder is known by its pixels, not by its name; what cannot be verified says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpcmbal.evaluation.curves.published import published_image_sets
from hpcmbal.evaluation.data_sets import DataSet, canonical_name, data_sets, describe_image_set
from hpcmbal.evaluation.evaluation_images import EvaluationImages

KODAK = next(item for item in data_sets() if item.name == "kodak")


def hashes(item: DataSet) -> dict[str, str]:
    """As `image_hash` gives them: longer than what the registry keeps."""
    assert item.images is not None
    return {f"renamed-{name}": digest + 48 * "0" for name, digest in item.images.items()}


def described(images: dict[str, str], folder: str = "mine") -> dict[str, object]:
    return describe_image_set(images, [(768, 512)] * len(images), folder)


@pytest.mark.parametrize("item", [item for item in data_sets() if item.images], ids=lambda item: item.name)
def test_a_set_is_recognised_whatever_its_names(item: DataSet) -> None:
    found = described(hashes(item))
    assert (found["name"], found["published_set"], found["verified"]) == (item.name, item.name, True)
    assert len(set(item.images.values())) == item.count
    assert "note" not in found


def test_what_is_missing_and_what_is_not_of_the_set_is_named() -> None:
    images = hashes(KODAK)
    del images["renamed-kodim05.png"]
    images["cat.png"] = 64 * "f"
    found = described(images)
    assert (found["name"], found["published_set"]) == ("mine", None)
    assert found["note"] == "23 of the 24 images of kodak; missing: kodim05.png; not of it: cat.png"


def test_an_image_that_is_there_twice_is_named() -> None:
    images = hashes(KODAK)
    images["copy.png"] = images["renamed-kodim05.png"]
    assert described(images)["note"] == "24 of the 24 images of kodak; there twice: renamed-kodim05.png"


def test_an_image_that_was_changed_is_missing_and_not_of_the_set() -> None:
    images = hashes(KODAK) | {"renamed-kodim24.png": 64 * "1"}
    assert described(images)["note"] == (
        "23 of the 24 images of kodak; missing: kodim24.png; not of it: renamed-kodim24.png"
    )


@pytest.mark.parametrize(
    ("name", "names", "size", "folder"),
    [
        ("tecnick", [f"RGB_OR_1200x1200_{i:03d}.png" for i in range(1, 101)], (1200, 1200), "any"),
        ("div2k-valid", [f"{i:04d}.png" for i in range(801, 901)], (2040, 1356), "any"),
        ("clic2020-valid", [f"{i}.png" for i in range(41)], (2048, 1365), "CLIC2020-professional"),
        ("clic2021-test", [f"{i}.png" for i in range(60)], (1365, 2048), "clic2021"),
    ],
)
def test_sets_of_which_no_copy_was_at_hand_are_not_verified(
    name: str, names: list[str], size: tuple[int, int], folder: str
) -> None:
    images = {item: f"{index:064x}" for index, item in enumerate(names)}
    found = describe_image_set(images, [size] * len(names), folder)
    assert (found["name"], found["published_set"], found["verified"]) == (name, name, False)
    assert "not verified" in found["note"]
    fewer = dict(list(images.items())[1:])
    assert describe_image_set(fewer, [size] * len(fewer), folder)["published_set"] is None
    assert describe_image_set(images, [(640, 480)] * len(names), "photos")["published_set"] is None


def test_other_folders_keep_their_name() -> None:
    found = described({f"{i}.png": f"{i:064x}" for i in range(24)}, "kodak")
    assert (found["name"], found["published_set"]) == ("kodak", None)
    assert "note" not in found


def test_published_points_belong_to_sets_that_are_known() -> None:
    assert set(published_image_sets()) <= {item.name for item in data_sets()}
    assert canonical_name("clic-professional-valid-41") == "clic2020-valid"
    assert canonical_name("holidays") == "holidays"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kodak", "clic2025-valid"])
def test_the_hashes_are_those_of_the_images(shared_dir: Path, name: str) -> None:
    found = EvaluationImages.from_folder(shared_dir / "data" / name).describe()
    assert (found["name"], found["verified"]) == (name, True)
