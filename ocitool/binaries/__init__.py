"""What the headers of programs say: which platform they are for, and what they need to run."""
