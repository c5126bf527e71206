"""Models as files: store, identity, and the import of released weights."""
