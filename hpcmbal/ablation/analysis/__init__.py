"""From the records of runs to effects, intervals and verdicts."""
