"""Figures and pictures from stored results."""
