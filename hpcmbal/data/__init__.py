"""Images for training and validation: folders, bundled photographs, deterministic crops and batches."""

from __future__ import annotations

from hpcmbal.data.augmentation import Augmentation
from hpcmbal.data.bad_files import BadFile
from hpcmbal.data.bundled import BundledPhotographs
from hpcmbal.data.datasets import open_images
from hpcmbal.data.drawn import DrawnPictures
from hpcmbal.data.image_cache import CachedImages
from hpcmbal.data.image_folder import ImageFolder
from hpcmbal.data.image_source import ImageSource
from hpcmbal.data.loader import Batch, ValidationImage, training_batches, validation_images
from hpcmbal.data.sampler import BatchPlan

__all__ = [
    "Augmentation",
    "BadFile",
    "Batch",
    "BatchPlan",
    "BundledPhotographs",
    "CachedImages",
    "DrawnPictures",
    "ImageFolder",
    "ImageSource",
    "ValidationImage",
    "open_images",
    "training_batches",
    "validation_images",
]
