"""What this machine keeps between runs: content, memos, local names."""
