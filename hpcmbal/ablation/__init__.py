"""Studies: many trainings that differ in one thing, compared in pairs."""
