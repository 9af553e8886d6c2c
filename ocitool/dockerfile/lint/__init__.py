"""Checks of a Dockerfile: what is legal and all the same not wise, told without building anything."""
