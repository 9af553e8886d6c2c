"""Headers of programs: which platform each is for, and what it needs to run."""
