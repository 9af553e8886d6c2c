"""The command line, and how often it opened each file: `python -m tests.fakes.counted NAME ARGUMENT...`.

Prints as JSON the exit code, how often files of that name were opened to be read, how often one took their place,
and how many processor seconds all of it took.
"""

import io
import json
import sys
import time
from contextlib import redirect_stderr, redirect_stdout

from ocitool.cli import main


def count(name: str, argv: list[str]) -> dict[str, object]:
    """Run the command line and count."""
    seen = {"reads": 0, "writes": 0}

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).endswith(f"/{name}"):
            seen["reads"] += 1
        elif event == "os.rename" and str(arguments[1]).endswith(f"/{name}"):
            seen["writes"] += 1

    sys.addaudithook(hook)
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        code = main(argv)
    text = err.buffer.getvalue().decode("utf-8", "replace")
    return {"exit_code": code, **seen, "cpu_s": time.process_time(), "stderr": text}


if __name__ == "__main__":
    print(json.dumps(count(sys.argv[1], sys.argv[2:])))
