"""Many files through the codec: which become which, the work on each, and what came of it."""
