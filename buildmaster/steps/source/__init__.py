"""Build steps that fetch the source to be built."""
