"""`python -m tests.peers` builds the Go peers."""

import sys

from tests.peers import main

sys.exit(main())
