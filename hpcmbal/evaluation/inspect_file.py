"""`inspect`: maps of a picture's bits and errors as PNG and one page, what `hpcmbal inspect` does."""

from __future__ import annotations

import html
from pathlib import Path

from hpcmbal.atomic_file import write_bytes, write_text
from hpcmbal.codec.codec_model import load_codec_model
from hpcmbal.core.device import choose_device
from hpcmbal.core.scales import SEGMENTS
from hpcmbal.evaluation.inspection import Inspection, inspect_image
from hpcmbal.evaluation.report.page import fill_page, photo_html
from hpcmbal.images.file_bytes import read_file
from hpcmbal.images.image_file import read_picture
from hpcmbal.images.picture import Picture, rgb_pixels
from hpcmbal.model_files.find import find_model
from hpcmbal.output_checks import check_outputs
from hpcmbal.plotting.figure_file import figure_bytes
from hpcmbal.plotting.picture_maps import channel_figure, map_figure, strip_figure
from hpcmbal.settings.inspection import InspectSettings
from hpcmbal.visible_text import visible

PAGE = "index.html"
_PICTURES = {
    "bits": "Bits by scale",
    "errors": "Errors by band",
    "previews": "Previews by scale",
    "channels": "Rate by channel",
}
_NOTES = {
    "bits": "Estimated from likelihoods, in bits per pixel, in the same colours for all: z is coded in blocks of 64 "
    "pixels, the latents of s1, s2 and s3 in blocks of 16.",
    "errors": "Root mean square over the colours in levels of 8 bits: coarse is the mean of blocks of 4x4 pixels, fine "
    "is what is left.",
    "previews": "What a decoder shows that has read the file up to a scale; missing latents take predicted means.",
    "channels": "Of the latents y, from the most expensive channel to the cheapest.",
}


def inspect(settings: InspectSettings) -> tuple[Inspection, Path]:
    """Look at where a model spends its bits on a picture, and where it errs.

    Writes `bits.png`, `errors.png`, `previews.png`, `channels.png` and a page with all of them into the folder.

    Returns:
        The numbers, and the page.

    Raises:
        DataError: The picture cannot be read, or an output is the picture or exists.
        CheckpointError: There is no such model.
        SettingsError: The model does not have that quality.
        NumericalError: The network gave NaN or infinity.
    """
    folder = settings.output
    outputs = [*(folder / f"{name}.png" for name in _PICTURES), folder / PAGE]
    model_file = find_model(settings.model)
    check_outputs(outputs, [settings.image, model_file], force=settings.force)
    model = load_codec_model(model_file, device=str(choose_device(settings.device)))
    picture = read_picture(read_file(settings.image), str(settings.image))
    found = inspect_image(model, rgb_pixels(picture), settings.quality)
    pixels = found.original[..., 0].size
    rates = {name: float(found.bits[name].sum()) / pixels for name in SEGMENTS}
    titles = {name: f"{name}: {rate:.4f} bpp" for name, rate in rates.items()}
    maps = {titles[name]: found.bits[name] / found.blocks[name] ** 2 for name in SEGMENTS}
    blocks = {titles[name]: found.blocks[name] for name in SEGMENTS}
    strip = {
        f"up to {name}: {preview.file_bytes:,} bytes, {preview.psnr_db:.2f} dB": preview.image
        for name, preview in found.previews.items()
    }
    figures = {
        "bits": map_figure(found.original, maps, "bits per pixel", blocks=blocks),
        "errors": map_figure(found.original, found.errors, "levels of 255", one_scale=False),
        "previews": strip_figure(strip),
        "channels": channel_figure(found.channel_bits, pixels),
    }
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {name: figure_bytes(figure, "png") for name, figure in figures.items()}
    for name, data in drawn.items():
        write_bytes(folder / f"{name}.png", data, readable_as=settings.image)
    shown_model = settings.model or model.name
    write_text(folder / PAGE, _page(settings, shown_model + _left_aside(picture), found, rates, drawn))
    return found, folder / PAGE


def _left_aside(picture: Picture) -> str:
    """What of a picture is looked at in another way than `compress` codes it."""
    parts = ["gray, shown as RGB"] if picture.gray else []
    parts += ["without its alpha, which takes bytes of its own"] if picture.alpha is not None else []
    return "".join(f"; {part}" for part in parts)


def _page(
    settings: InspectSettings, model: str, found: Inspection, rates: dict[str, float], drawn: dict[str, bytes]
) -> str:
    height, width = found.original.shape[:2]
    whole = found.previews[SEGMENTS[-1]]
    quality = "" if settings.quality is None else f" at quality {settings.quality:g}"
    subtitle = f"{visible(settings.image.name)}, {width}x{height} pixels, {visible(model)}{quality}"
    rows = "".join(
        f'<tr><td>{name}</td><td class="number">{rate:.4f}</td><td class="number">{rate / found.bpp:.1%}</td>'
        f'<td class="number">{found.previews[name].file_bytes:,}</td>'
        f'<td class="number">{found.previews[name].psnr_db:.2f}</td></tr>'
        for name, rate in rates.items()
    )
    sections = "".join(
        f'<h2>{title}</h2><p class="note">{_NOTES[name]}</p><div class="figures">{photo_html(title, drawn[name])}</div>'
        for name, title in _PICTURES.items()
    )
    parts = {
        "TITLE": "Where the bits go",
        "SUBTITLE": html.escape(f"{subtitle}: {whole.file_bytes:,} bytes, {whole.psnr_db:.2f} dB"),
        "ROWS": rows,
        "SECTIONS": sections,
    }
    return fill_page("hpcmbal.evaluation.report", "inspect.html", parts)
