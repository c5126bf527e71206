"""Doing the runs of a study, and what is kept of each."""
