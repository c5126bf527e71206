"""The shared core: model, entropy coding, loss, optimisers and gamma schedules. Knows nothing of files or commands."""
