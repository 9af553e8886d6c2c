"""Values of the field: digests, platforms, references, documents. No I/O, clock, environment or threads."""
