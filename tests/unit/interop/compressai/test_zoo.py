"""CompressAI's habits: models by name and level, ready to code, following their weights."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from compressai.zoo import image_models
from PIL import Image

import hpcmbal
from hpcmbal.codec.bitstream import read_container
from hpcmbal.core.model import LmbdaRange
from hpcmbal.errors import BitstreamError, CheckpointError, SettingsError
from hpcmbal.interop.compressai import ARCHITECTURES, CompressAIModel

NANO = "hpcm-nano"


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    coarse = Image.fromarray(np.random.default_rng(2).integers(0, 256, (6, 5, 3), dtype=np.uint8))
    pixels = np.array(coarse.resize((128, 64), Image.Resampling.BICUBIC))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255


def size(coded: dict[str, list[list[bytes]]]) -> int:
    return sum(len(image) for segment in coded["strings"] for image in segment)


def test_a_pretrained_model_codes_at_the_level_that_was_asked_for(x: torch.Tensor) -> None:
    sizes, errors = [], []
    for quality in (1, 3, 6):
        net = image_models[NANO](quality=quality, pretrained=True)
        assert not net.training
        coded = net.compress(x)
        decoded = net.decompress(coded["strings"], coded["shape"])["x_hat"]
        sizes.append(size(coded))
        errors.append(float((decoded - x).square().mean()))
        torch.testing.assert_close(decoded, net(x)["x_hat"].clamp(0, 1), atol=0.1, rtol=0)
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_the_strings_are_those_of_a_file_at_the_same_rate(x: torch.Tensor) -> None:
    net = image_models[NANO](quality=3, pretrained=True)
    model = hpcmbal.load_model(NANO)
    quality = round(model.network.rates.quality_of(0.0067), 2)  # type: ignore[union-attr]
    net.lmbda = model.network.rates.lmbda_at(quality)
    pixels = (x[0] * 255).round().byte().permute(1, 2, 0).numpy()
    container = read_container(hpcmbal.compress(Image.fromarray(pixels), model, quality))
    strings = [segment.data for segment in container.segments]
    assert sum(map(len, strings)) == pytest.approx(size(net.compress(x)), rel=0.01)


def test_the_exact_path_follows_the_weights(x: torch.Tensor) -> None:
    torch.manual_seed(0)
    net = ARCHITECTURES[NANO]().eval()
    assert net.update()
    assert not net.update()
    assert net.update(force=True)
    trained = image_models[NANO](quality=4, pretrained=True)
    net.lmbda = trained.lmbda
    net.load_state_dict(trained.state_dict())
    assert net.compress(x) == trained.compress(x)
    assert not net.update()  # coding had derived it
    net.load_state_dict(trained.state_dict())
    assert net.update()


@torch.no_grad()
def test_a_step_of_training_is_noticed_too(x: torch.Tensor) -> None:
    net = image_models[NANO](quality=4, pretrained=True)
    before = net.compress(x)
    net.scales_hyper.mul_(3)
    after = net.compress(x)
    assert after["strings"][0] != before["strings"][0]
    decoded = net.decompress(after["strings"], after["shape"])["x_hat"]
    assert float((decoded - x).square().mean()) < 0.01


def test_a_copy_codes_alike(x: torch.Tensor) -> None:
    net = image_models[NANO](quality=4, pretrained=True)
    assert copy.deepcopy(net).compress(x) == net.compress(x)


def test_a_batch_round_trips(x: torch.Tensor) -> None:
    net = image_models[NANO](quality=4, pretrained=True)
    batch = torch.cat([x, x.flip(3)])
    coded = net.compress(batch)
    assert [len(segment) for segment in coded["strings"]] == [2, 2, 2, 2]
    decoded = net.decompress(coded["strings"], coded["shape"])["x_hat"]
    assert decoded.shape == batch.shape
    assert float((decoded - batch).square().mean()) < 0.01
    with pytest.raises(BitstreamError, match="`strings` should hold 1 to 4 segments. Found 0"):
        net.decompress([], coded["shape"])


def test_an_untrained_model_has_its_rate_and_no_more() -> None:
    net = image_models["hpcm-nano-2"](quality=8)
    assert isinstance(net, CompressAIModel)
    assert (net.training, net.lmbda, net.rates) == (True, 0.18, LmbdaRange(0.0006, 0.18))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quality": 0}, "quality should be one of CompressAI's levels, 1 to 8. Found 0"),
        ({"quality": 2.5}, "1 to 8. Found 2.5"),
        ({"quality": 7}, "quality 7 means lambda 0.0932, and hpcm-nano covers lambda 0.0018 to 0.0483: levels 1 to 6"),
        ({"quality": 3, "metric": "ms-ssim"}, "metric should be 'mse'"),
    ],
)
def test_levels_that_do_not_exist_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        image_models[NANO](**arguments)


def test_weights_that_do_not_come_with_the_package_are_told() -> None:
    with pytest.raises(CheckpointError, match="No weights of hpcm-small come with the package, only"):
        image_models["hpcm-small"](quality=3, pretrained=True)


def test_weights_of_another_variant_are_refused() -> None:
    with pytest.raises(CheckpointError, match="The weights do not fit 'hpcm-nano'"):
        ARCHITECTURES[NANO].from_state_dict({"g_a.weight": torch.zeros(1)})
