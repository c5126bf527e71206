"""`reconstruct`: a photo beside what a model makes of it, what `hpcmbal reconstruct` does."""

from __future__ import annotations

from hpcmbal.atomic_file import write_bytes
from hpcmbal.core.device import choose_device
from hpcmbal.data import open_images
from hpcmbal.evaluation.reconstruction import Reconstruction
from hpcmbal.evaluation.reconstruction import reconstruct as code_in_memory
from hpcmbal.images.image_file import read_rgb
from hpcmbal.images.picture import picture_of
from hpcmbal.images.picture_writer import write_picture
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import load_network
from hpcmbal.output_checks import check_outputs
from hpcmbal.plotting.comparison import side_by_side
from hpcmbal.settings.pictures import ReconstructSettings


def reconstruct(settings: ReconstructSettings) -> tuple[Reconstruction, str]:
    """Draw a photo beside its reconstruction, with bits per pixel (estimated from likelihoods) and PSNR.

    Returns:
        The reconstruction, and the caption that it got.

    Raises:
        DataError: The photo cannot be read, or the output is the photo or exists.
        CheckpointError: There is no such model.
        SettingsError: The model has one rate, or the output's extension is that of no picture.
    """
    model = find_model(settings.model)
    inputs = [model] if settings.image is None else [model, settings.image]
    check_outputs([settings.output], inputs, force=settings.force)
    network = load_network(model).to(choose_device(settings.device))
    pixels = open_images(None, "held-back").read(0) if settings.image is None else read_rgb(settings.image)
    result = code_in_memory(network, pixels, settings.quality)
    caption = f"{network.variant.name}: {result.bpp:.3f} bpp, {result.psnr_db:.2f} dB"
    sheet = side_by_side([("original", result.original), (caption, result.image)])
    data = write_picture(picture_of(sheet), settings.output.suffix)
    write_bytes(settings.output, data, readable_as=settings.image)
    return result, caption
