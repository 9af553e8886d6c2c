"""Layers become files again: a reader for hostile tars, and the merged tree of an image."""
