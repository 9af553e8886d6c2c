"""Work counted in steps of the interpreter, and not in time."""

import sys


def effort(function, *arguments) -> int:
    """How many steps of the interpreter a call takes; what C does in one step counts as one."""
    count = 0

    def step(frame, event, _argument):
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return step

    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = (
        True  # Python 3.12 asks for opcodes at settrace, and for none if nobody wants any
    )
    sys.settrace(step)
    try:
        function(*arguments)
    finally:
        sys.settrace(before)
    return count
