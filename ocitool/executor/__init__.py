"""A command carried out in a tree of layers, isolated by an OCI runtime, for any platform and without root."""
