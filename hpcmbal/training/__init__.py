"""Training: one trainer for every model, loss, optimiser and balancing."""
