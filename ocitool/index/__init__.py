"""Indexes as values: pure edits from one index to the next, and where their entries come from."""
