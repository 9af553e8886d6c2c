"""Findings: what is wrong with what a name holds."""
