"""What a study asks, and the runs that answer it."""
