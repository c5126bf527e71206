"""Smooth shades: linear, round and turning, with and without dither, and flat shapes on them."""

from __future__ import annotations

import math
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from hpcmbal.data.drawn.fonts import Fonts
from hpcmbal.data.drawn.palette import draw_palette


def draw_gradient(random: Random, fonts: Fonts, size: int) -> Image.Image:
    """A gradient over the whole crop, and sometimes flat shapes on it."""
    del fonts
    image = gradient_image(random, size)
    if random.random() < 0.5:
        draw, palette = ImageDraw.Draw(image), draw_palette(random)
        for _ in range(random.randint(1, 4)):
            x, y, radius = random.uniform(0, size), random.uniform(0, size), random.uniform(0.05, 0.3) * size
            box = (x - radius, y - radius, x + radius, y + radius)
            if random.random() < 0.5:
                draw.ellipse(box, random.choice(palette.accents))
            else:
                draw.rectangle(box, random.choice(palette.accents))
    return image


def gradient_image(random: Random, size: int) -> Image.Image:
    """Two to four colours blended along a line, from a point outwards, or around a point."""
    colours = np.array(draw_palette(random).accents[:4], dtype=np.float32)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) / size
    kind = random.random()
    x, y = random.uniform(-0.2, 1.2), random.uniform(-0.2, 1.2)
    if kind < 0.55:
        angle = random.choice((0.0, math.pi / 2, random.uniform(0, 2 * math.pi)))
        course = columns * math.cos(angle) + rows * math.sin(angle)
    elif kind < 0.85:
        course = np.hypot(columns - x, rows - y)
    else:
        course = np.arctan2(rows - y, columns - x)
    course = (course - course.min()) / max(1e-6, float(np.ptp(course)))
    position = course * random.choice((1.0, 1.0, 0.3, random.uniform(0.05, 1))) * (len(colours) - 1)
    lower = np.minimum(position.astype(np.intp), len(colours) - 2)
    part = (position - lower)[..., None]
    pixels = colours[lower] * (1 - part) + colours[lower + 1] * part
    if random.random() < 0.3:
        noise = np.random.default_rng(random.getrandbits(32)).random(pixels.shape, dtype=np.float32)
        pixels = np.floor(np.minimum(pixels + noise, 255))
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
