"""What a crop may be, and what it depends on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from hpcmbal.data.augmentation import Augmentation
from hpcmbal.errors import SettingsError


@pytest.fixture
def image(generator: np.random.Generator) -> npt.NDArray[np.uint8]:
    return generator.integers(0, 256, (40, 60, 3), dtype=np.uint8)


def coordinates(height: int, width: int) -> npt.NDArray[np.uint8]:
    """An image whose pixels hold their own row and column."""
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return np.stack([rows, columns, np.zeros_like(rows)], axis=2).astype(np.uint8)


def test_same_seed_epoch_and_index_give_the_same_crop(image: npt.NDArray[np.uint8]) -> None:
    first, second = (Augmentation(16, seed=3, min_downscale=0.5) for _ in range(2))
    expected = first(image, 5, 7).copy()
    for other in range(10):
        first(image, other, other)
    np.testing.assert_array_equal(second(image, 5, 7), expected)


@pytest.mark.parametrize("change", ["seed", "epoch", "index"])
def test_each_of_seed_epoch_and_index_matters(image: npt.NDArray[np.uint8], change: str) -> None:
    values = {"seed": 1, "epoch": 1, "index": 1}
    crops = set()
    for value in range(20):
        values[change] = value
        crop = Augmentation(16, seed=values["seed"])(image, values["epoch"], values["index"])
        crops.add(crop.tobytes())
    assert len(crops) >= 18


def test_global_random_state_does_not_matter_and_is_left_alone(image: npt.NDArray[np.uint8]) -> None:
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    first = Augmentation(16)(image, 0, 0).copy()
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    np.testing.assert_array_equal(Augmentation(16)(image, 0, 0), first)


def test_crops_without_flips_are_windows_of_the_image_and_reach_every_place() -> None:
    image = coordinates(10, 12)
    corners = set()
    for index in range(400):
        crop = Augmentation(8, flips=False)(image, 0, index)
        top, left = crop[0, 0, :2].tolist()
        np.testing.assert_array_equal(crop, image[top : top + 8, left : left + 8])
        corners.add((top, left))
    assert corners == {(top, left) for top in range(3) for left in range(5)}


def test_flips_go_both_ways_and_are_independent() -> None:
    image = coordinates(8, 8)
    seen = {Augmentation(8)(image, 0, index)[0, 0, :2].tobytes() for index in range(64)}
    assert seen == {bytes(corner) for corner in ((0, 0), (0, 7), (7, 0), (7, 7))}


def test_switching_flips_off_moves_no_crop(image: npt.NDArray[np.uint8]) -> None:
    for index in range(20):
        flipped = Augmentation(16)(image, 0, index)
        plain = Augmentation(16, flips=False)(image, 0, index)
        assert any(
            np.array_equal(plain, turned) for turned in (flipped, flipped[::-1], flipped[:, ::-1], flipped[::-1, ::-1])
        )


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (5, 3), (15, 16), (16, 16), (17, 5), (300, 2)])
@pytest.mark.parametrize("min_downscale", [1.0, 0.3])
def test_any_size_of_image_gives_a_full_crop(
    generator: np.random.Generator, size: tuple[int, int], min_downscale: float
) -> None:
    image = generator.integers(0, 256, (*size, 3), dtype=np.uint8)
    for index in range(20):
        crop = Augmentation(16, min_downscale=min_downscale)(image, 0, index)
        assert crop.shape == (16, 16, 3)
        assert crop.dtype == np.uint8


def test_small_images_are_mirrored_at_their_edges() -> None:
    image = coordinates(3, 20)
    crop = Augmentation(4, flips=False)(image, 0, 0)
    assert crop[:, 0, 0].tolist() in ([0, 1, 2, 2], [0, 0, 1, 2])


def test_downscaling_covers_its_range_and_no_more() -> None:
    # The range of columns that a crop shows, divided by its width, is the inverse of its scale.
    image = coordinates(250, 250)
    spans = [
        int(np.ptp(Augmentation(50, min_downscale=0.5)(image, 0, index)[:, :, 1].astype(int))) / 50
        for index in range(200)
    ]
    assert 0.9 <= min(spans) < 1.05
    assert 1.85 < max(spans) <= 2


def test_downscaling_stops_where_the_image_just_fits() -> None:
    image = coordinates(60, 200)
    spans = [
        int(np.ptp(Augmentation(50, min_downscale=0.1)(image, 0, index)[:, :, 0].astype(int))) for index in range(50)
    ]
    assert 56 <= max(spans) <= 59


def test_downscaling_does_not_alias() -> None:
    checks = np.indices((256, 256)).sum(axis=0) % 2 * 255
    image = np.repeat(checks[:, :, None], 3, axis=2).astype(np.uint8)
    augmentation = Augmentation(64, min_downscale=0.26)
    # The finest checkerboard has no meaning at half the size or less: what is left must be nearly uniform gray.
    contrasts = [float(augmentation(image, 0, index).std()) for index in range(60)]
    assert min(contrasts) < 5
    assert sum(contrast < 40 for contrast in contrasts) > 20


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"patch_size": 0}, "patch_size must be at least 1 pixel, found 0"),
        ({"patch_size": 8, "seed": -1}, "seed must not be negative, found -1"),
        ({"patch_size": 8, "min_downscale": 0.0}, r"min_downscale must be above 0 and at most 1 \(off\), found 0"),
        ({"patch_size": 8, "min_downscale": 1.5}, "found 1.5"),
        ({"patch_size": 8, "min_downscale": float("nan")}, "found nan"),
        ({"patch_size": -1, "seed": -2}, "patch_size .*; seed "),
    ],
)
def test_fields_out_of_range_are_refused(fields: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Augmentation(**fields)  # type: ignore[arg-type]
