"""HPCM in CompressAI's registry and tools."""
