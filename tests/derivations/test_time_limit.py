"""A time limit that has fired leaves nothing behind in the interpreter."""

import subprocess
import sys

TRACED = """
import sys
from derivations.witnesses.timelimit import time_limit
from derivations.witnesses.verdict import OutOfTime

for swallow in (False, True):
    try:
        with time_limit(0.05):
            while True:
                if swallow:
                    try:
                        while True:
                            pass
                    except OutOfTime:
                        break
    except OutOfTime:
        pass

def f(n):
    return n if n == 0 else f(n - 1)

sys.settrace(lambda *event: None)
f(50)
sys.settrace(None)
print("traced")
"""


def test_a_traced_function_runs_after_a_time_limit_has_fired() -> None:
    """With the flag of a withdrawn exception left set, Python 3.11 loops for ever at the first traced call."""
    done = subprocess.run([sys.executable, "-c", TRACED], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "traced\n", done.stderr
