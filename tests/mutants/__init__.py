"""Small wrong changes to the package, one at a time, and whether a test notices: `make mutants`."""
