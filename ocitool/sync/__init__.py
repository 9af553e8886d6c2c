"""Repositories kept alike: a file says which, and what was found out before is asked only once."""
