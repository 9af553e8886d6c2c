"""Compression: pure functions from chunks to bytes, and where each gzip member of a layer starts."""
