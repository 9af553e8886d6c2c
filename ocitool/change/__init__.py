"""Every write to a tag that exists: planned as a value, carried out with a backup, taken back."""
