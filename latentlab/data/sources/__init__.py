"""Image sources, one file per source; the name of the file is the name of the source."""
