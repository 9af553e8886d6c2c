"""One image: its base, its options, its assembly and annotations, and what scratch images need."""
