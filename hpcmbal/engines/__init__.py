"""Doing many independent pieces of work: here in processes, or on a Ray cluster."""
