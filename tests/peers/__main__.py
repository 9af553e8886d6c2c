"""`python -m tests.peers` installs the peers of PyPI and builds those of Go."""

import sys

from tests.peers import main

sys.exit(main())
