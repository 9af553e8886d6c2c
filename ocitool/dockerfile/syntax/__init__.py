"""Text of a Dockerfile to instructions."""
