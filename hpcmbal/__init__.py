"""hpcmbal: learned image compression with HPCM and balanced rate-distortion optimisation."""

__version__ = "0.1.0"
