"""Pictures that nobody took: pages of text, charts, interfaces, line art, gradients, pixel art, drawn from a seed."""

from hpcmbal.data.drawn.pictures import DrawnPictures

__all__ = ["DrawnPictures"]
