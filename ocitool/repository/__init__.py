"""A repository as a whole: its tags, manifests and blobs, listed, put, deleted and pruned."""
