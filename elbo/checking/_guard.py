"""Run somebody else's function and leave the process as it was: time limit, captured output, restored global state.

What cannot be held: a loop inside compiled code that never returns to Python, files and sockets that the function
touches, and threads or child processes that it starts and leaves behind.
"""

import contextlib
import ctypes
import io
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any

import numpy as np
import torch

from elbo._errors import Error

CALL_LIMIT = 5.0
"""Seconds that one call of the checked function may take."""
CHECK_LIMIT = 25.0
"""Seconds that all calls of one check may take together."""


class TimeLimitError(Error, TimeoutError):
    """The checked function did not come back in time."""


class FunctionError(Error):
    """The checked function raised; its own exception is ``__cause__``."""


class _Interrupt(BaseException):
    """Raised inside the checked function by the clock; not an Exception, so that ``except Exception`` lets it pass."""


class Guard:
    """One check's stay in somebody else's code. Use as a context manager, and ``run`` for each call."""

    def __init__(self, name: str, call_limit: float = CALL_LIMIT, check_limit: float = CHECK_LIMIT) -> None:
        self.name = name
        self.call_limit, self.check_limit = call_limit, check_limit
        self.spent, self.calls, self.slowest = 0.0, 0, 0.0
        self.observed: list[str] = []
        self._inside = False
        self._stack = contextlib.ExitStack()
        self._pid = os.getpid()
        self._mend: Callable[[], None] | None = None
        self._main = threading.current_thread() is threading.main_thread()

    def see(self, what: str) -> None:
        """Remember something that the user should know about the function's behaviour, once."""
        if what not in self.observed:
            self.observed.append(what)

    def __enter__(self) -> "Guard":
        self._mend = self._stack.enter_context(_global_state(self))
        self._stack.enter_context(_captured(self))
        self._stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        if self._main:
            self._stack.enter_context(_alarm(self._on_alarm))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self, call: Callable[[], Any]) -> Any:
        """``call()``, within the time limits; what it raises comes out as :class:`FunctionError`."""
        left = min(self.call_limit, self.check_limit - self.spent)
        if left <= 0:
            raise TimeLimitError(
                f"{self.name} was called {self.calls} times in {self.spent:.1f} s (slowest call "
                f"{self.slowest:.2f} s), and the "
                f"check allows {self.check_limit:g} s in all; check a smaller function, without sleeps or "
                "training steps"
            )
        begun = time.perf_counter()
        failure: BaseException | None = None
        try:
            with self._clock(left):
                return call()
        except _Interrupt:
            pass
        except (Exception, SystemExit) as error:
            failure = error
        finally:
            took = time.perf_counter() - begun
            self.calls, self.spent, self.slowest = self.calls + 1, self.spent + took, max(self.slowest, took)
            if os.getpid() != self._pid:
                os._exit(0)  # the function forked: the child must not go on as a second checker
            if self._mend is not None:
                self._mend()
        if failure is not None:
            raise FunctionError(f"{self.name} raised {type(failure).__name__}: {failure}") from failure
        raise TimeLimitError(
            f"{self.name} did not return within {left:.3g} s (the limit of one call); "
            "is there a loop that does not end, or a sleep?"
        )

    @contextlib.contextmanager
    def _clock(self, seconds: float) -> Iterator[None]:
        self._inside = True
        if self._main:
            signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
            try:
                yield
            finally:
                self._inside = False
                signal.setitimer(signal.ITIMER_REAL, 0.0)
            return
        thread = threading.get_ident()
        over = threading.Event()

        def watch() -> None:
            if not over.wait(seconds):
                while not over.wait(0.05):
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Interrupt))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._inside = False
            over.set()
            watcher.join()

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        if self._inside:
            self._inside = False
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            raise _Interrupt


@contextlib.contextmanager
def _alarm(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    previous = signal.signal(signal.SIGALRM, handler)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, previous)


@contextlib.contextmanager
def _captured(guard: Guard) -> Iterator[None]:
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield
    finally:
        for stream, text in (("standard output", out.getvalue()), ("standard error", err.getvalue())):
            if text:
                first = text.splitlines()[0][:60] if text.strip() else "blank lines"
                guard.see(f"it prints to {stream} ({first!r}); the output was kept back")


@contextlib.contextmanager
def _global_state(guard: Guard) -> Iterator[Callable[[], None]]:
    """Gives a function that mends after each call what is cheap to look at; the rest is restored at the end."""
    torch_rng, numpy_rng, python_rng = torch.get_rng_state(), np.random.get_state(), random.getstate()
    dtype, grad, threads = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()
    folder, path = os.getcwd(), list(sys.path)
    anomaly = torch.is_anomaly_enabled()
    deterministic = torch.are_deterministic_algorithms_enabled()
    errors = np.geterr()
    forks: list[int] = []
    _FORKS.append(forks)
    torch.set_grad_enabled(True)

    def mend() -> None:
        if not torch.is_grad_enabled():
            guard.see("it switches gradients off; restored")
            torch.set_grad_enabled(True)
        if torch.get_default_dtype() != dtype:
            guard.see("it changes torch's default dtype; restored")
            torch.set_default_dtype(dtype)
        if torch.get_num_threads() != threads:
            guard.see("it changes torch's number of threads; restored")
            torch.set_num_threads(threads)
        if os.getcwd() != folder:
            guard.see("it changes the working directory; restored")
            os.chdir(folder)

    try:
        yield mend
    finally:
        _FORKS.remove(forks)
        if forks:
            guard.see("it forks a child process; the child was ended when it came back")
        mend()
        if torch.are_deterministic_algorithms_enabled() != deterministic:
            torch.use_deterministic_algorithms(deterministic)
        if torch.is_anomaly_enabled() != anomaly:
            torch.autograd.set_detect_anomaly(anomaly)
        np.seterr(**errors)
        sys.path[:] = path
        torch.set_grad_enabled(grad)
        torch.set_rng_state(torch_rng)
        np.random.set_state(numpy_rng)
        random.setstate(python_rng)


_FORKS: list[list[int]] = []


def _forked() -> None:
    for forks in _FORKS:
        forks.append(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_forked)
