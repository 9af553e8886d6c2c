"""From findings to a plan that mends them."""
