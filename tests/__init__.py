"""The tests of ocitool. Shared parts: `tests.fakes` (test doubles) and `tests.peers` (other people's tools)."""
