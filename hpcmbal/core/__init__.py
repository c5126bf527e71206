"""The shared core: model, entropy coding, loss, optimisers and balancers. Knows nothing of files or commands."""
