"""Rate-distortion curves: their files, published ones, BD-rates and intervals."""
