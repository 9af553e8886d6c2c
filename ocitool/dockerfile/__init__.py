"""Dockerfiles: the subset that needs no process."""
