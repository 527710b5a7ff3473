"""beartype as the annotations mean it: an int is a float where a float is asked for (PEP 484)."""

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep673Exception

_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check the calls of ``function``, but not of one that returns ``Self``: beartype reads it in whole classes."""
    try:
        return _checked(function)
    except BeartypeDecorHintPep673Exception:
        return function
