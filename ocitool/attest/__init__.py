"""Attestations: what is in an image (SBOM) and how it was made (provenance), as documents and beside the image."""
