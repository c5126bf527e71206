"""Pictures to bytes and back: the container, planes, tiles, and the search for the weights that a file needs."""
