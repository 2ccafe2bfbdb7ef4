"""Networks that turn images into codes: architectures, their files, embedding a data set."""
