"""`python -m ocitool`, and the `ocitool` script."""

import gc
import os
import signal
import sys

# What is imported stays, and is not looked through for circles; collecting begins with a command, in `cli.options`.
gc.disable()

# Until the command line hears signals itself there is nothing to clean up, and no traceback helps anybody.
for _number, _code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
    signal.signal(_number, lambda *_, code=_code: os._exit(code))

from ocitool import cli  # noqa: E402 - after the signals
from ocitool.cli.streams import leave, prepare_streams  # noqa: E402


def main() -> None:
    """Run the command line and leave with its exit code."""
    prepare_streams()
    if sys.argv[1:] not in cli.VERSION:
        from ocitool.cli.deferred import defer

        defer()
    if os.path.basename(sys.argv[0]) == "docker":  # noqa: PTH119 - no pathlib for this
        from ocitool.cli.docker_link import run as run_as_docker

        leave(run_as_docker(sys.argv[1:]))
    leave(cli.main(sys.argv[1:]))


if __name__ == "__main__":
    main()
