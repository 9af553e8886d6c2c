"""Signatures of images: keys, the forms that cosign writes, signing as plans, and verification."""
