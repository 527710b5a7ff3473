"""Formulas in high precision."""

from collections.abc import Callable
from typing import Any

from elbo._errors import InputTypeError, InputValueError
from elbo.exact.quadrature import IntegrationError


def reference(formula: Callable[..., Any], *arguments: Any, digits: int = 50) -> Any:
    """A formula evaluated by mpmath to the requested number of digits, checked at a second precision.

    The formula is run with 15 and with 15 + digits guard digits; if rounding or cancellation makes the two differ in
    the requested digits, the precision is raised, and in the end it is refused.

    Args:
        formula: ``formula(mp, *arguments)``, written with the functions of ``mp`` (the mpmath context).
        arguments: numbers; floats are taken as the exact binary numbers that they are, strings as exact decimals.
        digits: significant decimal digits wanted, from 1 to 10 000.

    Returns:
        an ``mpmath.mpf`` (or ``mpc``) good to ``digits`` digits.

    Raises:
        InputTypeError, InputValueError: for what is no formula or no number of digits.
        IntegrationError: if two precisions never agree (the formula is unstable, or zero up to rounding).

    >>> float(reference(lambda mp, y: mp.expm1(y) - y, 2.0**-70)) == 2.0**-141
    True
    """
    import mpmath

    if not callable(formula):
        raise InputTypeError(f"formula is a {type(formula).__name__}; write a function of (mp, *arguments)")
    if not isinstance(digits, int) or isinstance(digits, bool) or not 1 <= digits <= 10_000:
        raise InputValueError(f"digits is {digits!r}; write an int from 1 to 10000")
    previous = None
    for guard in (15, 15 + digits, 60 + 3 * digits, 120 + 8 * digits):
        with mpmath.workdps(digits + guard):
            # the sum makes a constant of mpmath, such as mp.eps, the number that it is at this precision
            value = 0 + formula(mpmath.mp, *[mpmath.mpmathify(a) for a in arguments])
            if previous is not None and (
                value == previous or abs(value - previous) <= abs(value) * mpmath.mpf(10) ** (-digits - 2)
            ):
                with mpmath.workdps(digits):
                    return +value
        previous = value
    raise IntegrationError(
        f"the formula gives {mpmath.nstr(previous, 8)} and changes with the precision; rewrite it without "
        "cancellation, or ask for fewer digits"
    )
