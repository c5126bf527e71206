"""The variants in the tables of `compressai.zoo`, as its callers and command-line tools use them."""

from __future__ import annotations

from functools import partial

from hpcmbal.core.model.rates import LmbdaRange
from hpcmbal.errors import CheckpointError, SettingsError
from hpcmbal.interop.compressai.adapter import ARCHITECTURES, CompressAIModel
from hpcmbal.model_files.find import packaged_model, packaged_names
from hpcmbal.model_files.store import load_network

LMBDA_OF_QUALITY = {1: 0.0018, 2: 0.0035, 3: 0.0067, 4: 0.013, 5: 0.025, 6: 0.0483, 7: 0.0932, 8: 0.18}
"""What CompressAI's quality levels mean, for MSE (its documentation, "Image compression: Training")."""


def image_model(
    name: str, quality: int, metric: str = "mse", pretrained: bool = False, progress: bool = True
) -> CompressAIModel:
    """A model of this package by CompressAI's conventions: `image_models["hpcm-nano"](quality=3, pretrained=True)`.

    Args:
        name: Of the variant.
        quality: CompressAI's level, 1 to 8, here the lambda at which a model of variable rate codes
            (`LMBDA_OF_QUALITY`); `net.lmbda` changes it.
        metric: "mse".
        pretrained: With the weights that come with the package, ready to code; else untrained.
        progress: Not used: nothing is downloaded.

    Raises:
        SettingsError: There is no such level or metric, or the model does not cover it.
        CheckpointError: No weights of this variant come with the package.
    """
    del progress
    if metric != "mse":
        raise SettingsError(f"metric should be 'mse', what the packaged weights are trained for. Found {metric!r}.")
    if quality not in LMBDA_OF_QUALITY:
        raise SettingsError(f"quality should be one of CompressAI's levels, 1 to 8. Found {quality!r}.")
    net = ARCHITECTURES[name]()
    if pretrained:
        file = packaged_model(name)
        if file is None:
            raise CheckpointError(
                f"No weights of {name} come with the package, only those of {', '.join(packaged_names())}. Load others "
                "with from_state_dict."
            )
        stored = load_network(file)
        net.load_state_dict(stored.state_dict())
        net.rates = stored.rates
        net.update()
    net.lmbda = _covered(LMBDA_OF_QUALITY[quality], net, quality)
    return net.eval() if pretrained else net


def add_to_zoo() -> None:
    """Add the variants to the tables in which CompressAI's callers and command-line tools look models up."""
    from compressai.zoo import image_models
    from compressai.zoo.image import model_architectures

    model_architectures.update(ARCHITECTURES)
    image_models.update({name: partial(image_model, name) for name in ARCHITECTURES})


def _covered(lmbda: float, net: CompressAIModel, quality: int) -> float:
    rates = net.rates
    if isinstance(rates, LmbdaRange) and not rates.low <= lmbda <= rates.high:
        levels = [level for level, value in LMBDA_OF_QUALITY.items() if rates.low <= value <= rates.high]
        raise SettingsError(
            f"quality {quality} means lambda {lmbda:g}, and {net.variant.name} covers {rates}: levels {levels[0]} to "
            f"{levels[-1]}."
        )
    return lmbda
