"""Bake files: what `docker buildx bake` reads, as targets that can be built."""
