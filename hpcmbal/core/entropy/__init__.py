"""Probability model of the latents, and the coding of symbols with it."""
