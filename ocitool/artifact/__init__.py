"""Artifacts: files in registries by the conventions of ORAS, and its Python interface over our connections."""
