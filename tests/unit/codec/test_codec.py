"""Whole files in memory: compress, decompress, preview, refuse."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hpcmbal.codec.bitstream import Container, read_container, write_container
from hpcmbal.codec.codec import compress, compress_picture, decompress, decompress_container
from hpcmbal.codec.codec_model import CodecModel, find_codec_model, load_codec_model
from hpcmbal.codec.files.facts import describe_file
from hpcmbal.codec.header import RATE_STEPS
from hpcmbal.core.entropy.segments import Segment
from hpcmbal.errors import BitstreamError, CheckpointError, DataError, SettingsError
from hpcmbal.images.picture import Picture, PictureWarning
from hpcmbal.model_files.store import save_model


@pytest.fixture(scope="module")
def picture() -> Picture:
    generator = np.random.default_rng(2)
    coarse = np.kron(generator.normal(128, 50, (9, 12, 3)), np.ones((8, 8, 1)))
    return Picture(np.clip(coarse[:70, :91], 0, 255).astype(np.uint8), icc=b"icc", exif=b"Exif\0\0x")


@pytest.fixture(scope="module")
def data(tiny: Any, picture: Picture) -> bytes:
    return compress_picture(picture, tiny, 80, mode="learned")


def test_a_file_decodes_to_the_size_and_the_metadata(tiny: Any, data: bytes, picture: Picture) -> None:
    image = decompress(data, model=tiny)
    assert (image.mode, image.size) == ("RGB", (91, 70))
    assert (image.info["icc_profile"], image.info["exif"]) == (b"icc", b"Exif\0\0x")
    assert picture.pixels.shape == (70, 91, 3)


def test_encoding_is_deterministic(tiny: Any, data: bytes, picture: Picture) -> None:
    assert compress_picture(picture, tiny, 80, mode="learned") == data


def test_any_kind_of_bytes_is_read(tiny: Any, data: bytes) -> None:
    whole = decompress(data, model=tiny).tobytes()
    assert (
        decompress(memoryview(data), model=tiny).tobytes() == decompress(bytearray(data), model=tiny).tobytes() == whole
    )


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"quality": "50"}, "quality should be a number. Found '50'"),
        ({"quality": True}, "quality should be a number. Found True"),
        ({"effort": 1.5}, "effort should be a number. Found 1.5"),
        ({"target": 5}, "target should be a Target"),
        ({"device": "gpu"}, "device=gpu is none"),
    ],
)
def test_choices_of_wrong_types_are_told(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        compress(Image.new("RGB", (70, 70)), **{"mode": "learned"} | choices)


@pytest.mark.parametrize("scales", ["1", 4, -1, 1.0, True])
def test_scales_are_0_to_3(tiny: Any, data: bytes, scales: Any) -> None:
    with pytest.raises(SettingsError, match="scales should be 0 to 3"):
        decompress(data, model=tiny, scales=scales)


def test_what_is_cut_off_is_no_part_of_the_container(data: bytes) -> None:
    whole, cut = (
        {part["name"]: part["bytes"] for part in describe_file(found)["parts"]} for found in (data, data[:-12])
    )
    assert sum(cut.values()) == len(data) - 12
    assert cut["container"] <= whole["container"]
    assert cut["incomplete"] > 0


def test_quality_changes_the_size(tiny: Any, picture: Picture) -> None:
    sizes = [len(compress_picture(picture, tiny, quality, mode="learned")) for quality in (1, 40, 100)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_gray_stays_gray(tiny: Any) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8))
    assert decompress(compress(image, tiny, mode="learned"), model=tiny).mode == "L"


def test_alpha_is_lossless(tiny: Any) -> None:
    values = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    decoded = decompress(compress(Image.fromarray(values), tiny, mode="learned"), model=tiny)
    assert decoded.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(decoded)[..., 3], values[..., 3])


@pytest.mark.parametrize("scales", [0, 1, 2])
def test_previews_are_what_truncated_files_give(tiny: Any, data: bytes, scales: int) -> None:
    container = read_container(data)
    whole = write_container(Container(container.header, container.segments))
    kept = len(whole) - sum(len(segment.data) for segment in container.segments[scales + 1 :])
    preview = decompress_container(container, tiny, scales)
    lacking = ", ".join(("s1", "s2", "s3")[scales:])
    with pytest.warns(PictureWarning, match=rf"The file is cut off; missing: {lacking}"):
        cut = decompress(data[: kept - 10], model=tiny, allow_truncated=True)
    np.testing.assert_array_equal(np.asarray(cut), preview.pixels)


@pytest.mark.parametrize("quality", [0, 100.5, float("nan")])
def test_quality_is_1_to_100(tiny: Any, picture: Picture, quality: float) -> None:
    with pytest.raises(SettingsError, match="quality should be 1 to 100"):
        compress_picture(picture, tiny, quality, mode="learned")


def test_symbols_that_differ_are_an_error_and_no_picture(tiny: Any, data: bytes) -> None:
    container = read_container(data)
    segments = list(container.segments)
    segments[2] = Segment(segments[2].data, (segments[2].symbols_crc or 0) ^ 4)
    with pytest.raises(BitstreamError, match="Segment s2 decodes to other symbols than were encoded"):
        decompress_container(Container(container.header, tuple(segments)), tiny)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP", "GIF"])
@pytest.mark.parametrize("loaded", [False, True])
def test_images_are_not_changed_and_give_equal_bytes(image_format: str, loaded: bool) -> None:
    """A photograph with an orientation was stored upright the first time, and sideways the second."""
    values = np.random.default_rng(0).integers(0, 4, (20, 30, 3), dtype=np.uint8) * 60
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.fromarray(values).save(file, image_format, exif=exif)
    with Image.open(file) as image:
        if loaded:
            image.load()
        first = compress(image, mode="lossless")
        before = image.tobytes(), dict(image.info), dict(image.getexif())
        assert compress(image, mode="lossless") == first
        assert before == (image.tobytes(), dict(image.info), dict(image.getexif()))
    assert decompress(first).size == ((30, 20) if image_format == "GIF" else (20, 30))


def test_images_beyond_the_format_are_refused(tiny: Any) -> None:
    with pytest.raises(DataError, match="a side may have at most 65,535"):
        compress(Image.new("L", (70_000, 1)), tiny)


class TestModels:
    @pytest.fixture
    def stored(self, tmp_path: Path) -> Path:
        """A model file of the smallest named variant, with arbitrary weights."""
        import torch

        from hpcmbal.core.model import HPCM, get_variant

        with torch.random.fork_rng():
            torch.manual_seed(1)
            save_model(
                tmp_path / "models" / "mine.safetensors", "hpcm-nano", HPCM(get_variant("hpcm-nano")).state_dict()
            )
        return tmp_path / "models" / "mine.safetensors"

    def test_a_model_is_found_by_its_id(self, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        model = load_codec_model(stored)
        assert find_codec_model(model.model_id, [stored.parent]) is model
        monkeypatch.setenv("HPCMBAL_MODEL_DIR", f"/nowhere:{stored.parent}")
        assert find_codec_model(model.model_id).name == "mine"

    def test_a_missing_model_is_named_with_the_places(self, stored: Path) -> None:
        with pytest.raises(CheckpointError, match=f"id 6162636465666768, .*{stored.parent}.*model_dirs"):
            find_codec_model(b"abcdefgh", [stored.parent])

    def test_an_unknown_name_lists_what_there_is(self) -> None:
        with pytest.raises(CheckpointError, match="There is no model 'hpcm-giant': packaged are:"):
            load_codec_model("hpcm-giant")

    def test_a_file_that_changed_is_read_again(self, stored: Path) -> None:
        before = load_codec_model(stored)
        weights = before.network.state_dict()
        save_model(stored, "hpcm-nano", {**weights, "means_hyper": weights["means_hyper"] + 1})
        assert load_codec_model(stored).model_id != before.model_id

    def test_a_file_of_another_model_is_refused(self, tiny: Any, stored: Path, data: bytes) -> None:
        other = load_codec_model(stored)
        with pytest.raises(BitstreamError, match=f"written by the model {tiny.model_id.hex()}; mine is"):
            decompress(data, model=other)

    def test_rate_and_model_go_together(self, tiny: Any) -> None:
        import runpy

        made = runpy.run_path(str(Path(__file__).parents[2] / "golden" / "tiny_model.py"))
        fixed = CodecModel(made["tiny_model"](made["tiny_variant"](rate_levels=0)), "fixed")
        assert fixed.rate_of(None) == 0
        with pytest.raises(SettingsError, match="The model has one rate, so there is no quality to choose"):
            fixed.rate_of(50)
        with pytest.raises(BitstreamError, match="does not suit fixed, a model of a fixed rate"):
            fixed.lmbda_of(50 * RATE_STEPS)
        with pytest.raises(BitstreamError, match="a model of a variable rate"):
            tiny.lmbda_of(0)


def test_the_name_of_a_file_is_not_its_bytes() -> None:
    with pytest.raises(DataError, match="The bytes of a file are needed. Found str. Read the file first"):
        decompress("photo.hpcm")  # type: ignore[arg-type]
