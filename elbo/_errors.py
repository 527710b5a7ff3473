"""Errors that say what was wrong, with which value, and what to write instead."""


class Error(Exception):
    """Everything that this library raises on purpose; also a ``TypeError`` or ``ValueError`` where that fits."""


class InputTypeError(Error, TypeError):
    """An argument is of a kind that cannot be used (an integer tensor, a class instead of an object, ...)."""


class InputValueError(Error, ValueError):
    """An argument has the right kind and an impossible value (a negative variance, a NaN, shapes that do not fit)."""
