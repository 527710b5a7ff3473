"""A time limit for symbolic computation, in any thread and without a process of its own."""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from derivations.witnesses.verdict import OutOfTime


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in this thread if the block takes longer; SymPy is Python, so it can be interrupted between
    bytecodes.

    >>> with time_limit(1.0):
    ...     1 + 1
    2
    """
    thread, lock = threading.get_ident(), threading.Lock()
    state = {"done": False, "fired": False}

    def fire() -> None:
        with lock:
            if not state["done"]:
                state["fired"] = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(OutOfTime))

    timer = threading.Timer(seconds, fire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            state["done"] = True
        timer.cancel()
        if state["fired"]:
            # It was raised already, or arrives at the next jump, which is here. Taking it back with a NULL exception
            # would leave the interpreter's flag set for ever, and a traced frame of Python 3.11 never gets past that.
            with suppress(OutOfTime):
                for _ in range(100):
                    pass
