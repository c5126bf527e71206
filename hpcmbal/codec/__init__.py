"""Images to files and back: the container, image modes, tiles, and the search for the weights that a file needs."""
