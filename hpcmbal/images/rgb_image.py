"""What a decoded picture is, for everything that works on pixels."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

RgbImage: TypeAlias = npt.NDArray[np.uint8]
"""An sRGB image, `[height, width, 3]` uint8."""
