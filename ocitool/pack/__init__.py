"""Files become layers: entries, a deterministic tar, and the layer in a store."""
