"""What becomes of drawn pictures, beside PNG, lossless WebP, JPEG and AVIF: bytes and PSNR of each, as Markdown.

    python benchmarks/lossless_or_learned.py [--model hpcm-nano] [--photos FOLDER ...]

The pictures are drawn here, so that anyone can run it: a page of text, a chart, a page of a report as on a screen,
pixel art, an icon, one colour, two gradients and line art with alpha. With `--photos` it also says how many photographs
of the folders stay learned.
"""

from __future__ import annotations

import argparse
import io
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hpcmbal import compress, decompress
from hpcmbal.codec.bitstream import read_container
from hpcmbal.codec.drawn import may_be_drawn
from hpcmbal.images.psnr import psnr_db

TEXT = """A picture that was drawn is not a photograph: it has few colours, sharp edges and large areas without any
change. A codec that was trained on photographs spends many bits on every letter, and the letters come
back blurred. A lossless coder spends next to nothing on paper, and keeps every letter as it was."""
INK, PAPER, BLUE, RED, GREEN = (24, 24, 28), (255, 255, 255), (31, 119, 180), (214, 39, 40), (44, 160, 44)
LARGEST_EXCESS = 64
"""Bytes by which a file may be larger than lossless WebP."""
SMOOTH = 4
"""Lines are drawn so many times larger and scaled down, which makes their edges soft."""


def text_page() -> Image.Image:
    """800x600, black on white."""
    image = Image.new("RGB", (800, 600), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((60, 40), "Drawn pictures", INK, ImageFont.load_default(32))
    for paragraph in range(7):
        draw.multiline_text((60, 100 + 68 * paragraph), TEXT, INK, ImageFont.load_default(14), spacing=6)
    return image


def chart(width: int = 640, height: int = 480) -> Image.Image:
    """Two smooth curves, bars, axes and their labels."""
    large = Image.new("RGB", (SMOOTH * width, SMOOTH * height), PAPER)
    draw = ImageDraw.Draw(large)

    def place(x: float, y: float) -> tuple[float, float]:
        return SMOOTH * (60 + x * (width - 90)), SMOOTH * (height - 50 - y * (height - 90))

    for tick in range(6):
        draw.line([place(0, tick / 5), place(1, tick / 5)], (220, 220, 220), SMOOTH)
    for bar in range(8):
        left, right = place(bar / 8 + 0.02, 0.15 + 0.08 * bar), place(bar / 8 + 0.09, 0)
        draw.rectangle([left, right], (174, 199, 232))
    for colour, power in ((BLUE, 0.5), (RED, 1.6)):
        draw.line([place(i / 200, (i / 200) ** power) for i in range(201)], colour, 2 * SMOOTH, joint="curve")
    draw.line([place(0, 1), place(0, 0), place(1, 0)], INK, 2 * SMOOTH)
    image = large.resize((width, height), Image.Resampling.BOX)
    draw = ImageDraw.Draw(image)
    for tick in range(6):
        draw.text((28, height - 58 - tick * (height - 90) / 5), f"{tick / 5:.1f}", INK, ImageFont.load_default(13))
    draw.text((width / 2 - 60, height - 30), "bits per pixel", INK, ImageFont.load_default(15))
    return image


def screenshot() -> Image.Image:
    """1280x800: a window with a menu, a table, text and a chart."""
    image = Image.new("RGB", (1280, 800), (246, 248, 250))
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, 0, 1280, 44], (36, 41, 47))
    draw.text((20, 12), "hpcmbal   Runs   Studies   Reports", PAPER, ImageFont.load_default(16))
    draw.rounded_rectangle([24, 64, 600, 776], 8, PAPER, (208, 215, 222))
    draw.multiline_text((44, 84), TEXT.replace(", ", ",\n"), INK, ImageFont.load_default(13), spacing=5)
    for row in range(14):
        top = 250 + 36 * row
        draw.rectangle([44, top, 580, top + 36], (255, 255, 255) if row % 2 else (246, 248, 250), (208, 215, 222))
        for column, value in enumerate((f"kodim{row + 1:02}", f"{0.1 * row + 0.2:.3f}", f"{28 + 0.7 * row:.2f} dB")):
            draw.text((60 + 180 * column, top + 10), value, INK, ImageFont.load_default(14))
    draw.rounded_rectangle([624, 64, 1256, 560], 8, PAPER, (208, 215, 222))
    image.paste(chart(600, 460), (640, 82))
    return image


def pixel_art() -> Image.Image:
    """A 16x16 sprite of six colours, symmetric, 20 times as large."""
    generator = np.random.default_rng(5)
    half = generator.integers(0, 6, (16, 8))
    palette = np.array([PAPER, INK, BLUE, RED, GREEN, (255, 187, 120)], dtype=np.uint8)
    return Image.fromarray(np.kron(palette[np.hstack((half, half[:, ::-1]))], np.ones((20, 20, 1), dtype=np.uint8)))


def icon() -> Image.Image:
    """6x6: a red cross on white."""
    values = np.full((6, 6, 3), 255, dtype=np.uint8)
    values[1:5, 2:4] = values[2:4, 1:5] = RED
    return Image.fromarray(values)


def flat_colour() -> Image.Image:
    """640x480 of one blue."""
    return Image.new("RGB", (640, 480), BLUE)


def linear_gradient() -> Image.Image:
    """640x480: one colour into another, from the left to the right."""
    share = np.linspace(0, 1, 640)[None, :, None]
    return Image.fromarray(
        np.rint(np.array(BLUE) * (1 - share) + np.array(RED) * share).repeat(480, 0).astype(np.uint8)
    )


def diagonal_gradient() -> Image.Image:
    """640x480: red grows along x, green along y, blue along both."""
    y, x = np.indices((480, 640))
    return Image.fromarray(np.stack((x * 255 // 639, y * 255 // 479, (x + y) * 255 // 1118), axis=2).astype(np.uint8))


def line_art() -> Image.Image:
    """512x512: a smooth figure of dark lines on nothing."""
    side = 512 * SMOOTH
    large = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(large)
    points = [
        (side * (0.5 + 0.45 * math.sin(3 * t)), side * (0.5 + 0.45 * math.sin(2 * t)))
        for t in np.linspace(0, 2 * math.pi, 400)
    ]
    draw.line(points, 255, 3 * SMOOTH, joint="curve")
    image = Image.new("RGBA", (512, 512), INK)
    image.putalpha(large.resize((512, 512), Image.Resampling.BOX))
    return image


PICTURES: dict[str, Callable[[], Image.Image]] = {
    "page of text, 800x600": text_page,
    "chart, 640x480": chart,
    "report page on a screen, 1280x800": screenshot,
    "pixel art, 320x320": pixel_art,
    "icon, 6x6": icon,
    "flat colour, 640x480": flat_colour,
    "gradient, 640x480": linear_gradient,
    "gradient in two directions, 640x480": diagonal_gradient,
    "line art with alpha, 512x512": line_art,
}


def sizes(image: Image.Image, model: str | None) -> dict[str, tuple[int, str]]:
    """Bytes and fidelity of each way to store `image`; JPEG has no alpha and stands for the picture on white."""
    ways: dict[str, tuple[int, str]] = {}

    def pillow(name: str, image_format: str, **options: object) -> None:
        out = io.BytesIO()
        source = on_white(image) if image_format == "JPEG" else image
        source.save(out, image_format, **options)
        ways[name] = out.tell(), fidelity(source, Image.open(out))

    for mode, name in (("auto", "hpcmbal"), ("learned", "learned")):
        data = compress(image, model, mode=mode)
        ways[name] = len(data), fidelity(image, decompress(data))
    pillow("PNG", "PNG", optimize=True)
    pillow("WebP lossless", "WEBP", lossless=True, exact=True, quality=100, method=6)
    pillow("JPEG 75", "JPEG", quality=75, optimize=True)
    pillow("AVIF 63", "AVIF", quality=63, speed=6)
    return ways


def on_white(image: Image.Image) -> Image.Image:
    """`image` without alpha."""
    if image.mode != "RGBA":
        return image
    white = Image.new("RGBA", image.size, PAPER)
    return Image.alpha_composite(white, image).convert("RGB")


def fidelity(a: Image.Image, b: Image.Image) -> str:
    """`exact` if nothing differs, hidden colours included; else the PSNR of what is seen on white."""
    if a.convert("RGBA").tobytes() == b.convert("RGBA").tobytes():
        return "exact"
    seen = psnr_db(*(np.asarray(on_white(image).convert("RGB")) for image in (a, b)))
    return f"{seen:.1f} dB"


def report(pictures: dict[str, Image.Image], model: str | None) -> list[str]:
    """The rows of the table, as Markdown."""
    names = ("hpcmbal", "learned", "PNG", "WebP lossless", "JPEG 75", "AVIF 63")
    rows = [f"| picture | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    for title, image in pictures.items():
        found = sizes(image, model)
        cells = [f"{size:,}, {kept}" for size, kept in map(found.__getitem__, names)]
        rows.append(f"| {title} | {' | '.join(cells)} |")
        excess = found["hpcmbal"][0] - found["WebP lossless"][0]
        if excess > LARGEST_EXCESS:
            rows.append(f"| {title}: {excess} bytes more than lossless WebP |")
    return rows


def count_photos(folders: list[Path], model: str | None) -> str:
    """How many of the images of folders stay learned, and how long the test of a picture takes beside coding it."""
    kept, exact, test_seconds, code_seconds = 0, [], 0.0, 0.0
    for path in sorted(file for folder in folders for file in folder.iterdir() if file.is_file()):
        with Image.open(path) as image:
            rgb = image.convert("RGB")
        start = time.perf_counter()
        may_be_drawn(np.asarray(rgb))
        tested = time.perf_counter()
        learned = compress(rgb, model, mode="learned")
        coded = time.perf_counter()
        test_seconds, code_seconds = test_seconds + tested - start, code_seconds + coded - tested
        if read_container(compress(rgb, model)).header.lossless:
            exact.append(f"{path.name} ({len(learned):,} bytes learned)")
        else:
            kept += 1
    share = 100 * test_seconds / code_seconds
    return (
        f"{kept} of {kept + len(exact)} stay learned; the test takes {share:.1f} % of coding. Exact: {exact or 'none'}"
    )


def main() -> None:
    """Print the table, and what becomes of photographs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--photos", nargs="+", type=Path, default=[])
    options = parser.parse_args()
    print("\n".join(report({name: draw() for name, draw in PICTURES.items()}, options.model)))
    if options.photos:
        print("\n" + count_photos(options.photos, options.model))


if __name__ == "__main__":
    main()
