"""Sources to programs: compilers as data, and the processes that run them."""
