"""`build` and `buildx`: flags, destinations and results of the main job."""
