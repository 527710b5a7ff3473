"""Small pieces of MyST, and numbers that print the same on every machine."""

import math
import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*_\[\]<>$|])")


def escape(text: str) -> str:
    """Plain text as MyST that reads as it is written."""
    return _SPECIAL.sub(r"\\\1", text)


def anchor(name: str) -> str:
    """The target of a name: lower case, hyphens for what is no letter or digit."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def sentence(text: str) -> str:
    """The same with a capital first letter, unless the first word is a symbol."""
    return (
        text[:1].upper() + text[1:]
        if re.match(r"[a-z]+\b(?!\()|a\b", text) and not re.match(r"[b-z]\b", text)
        else text
    )


def bound(value: float) -> str:
    """An upper bound on ``value`` that does not change with rounding: a power of ten, "< 1e-9".

    Below 1e-10 lies what rounding makes of an exact zero, which differs between machines: all of it prints as "< 1e-9".
    Above it a factor of ten is in hand, so that the last digits cannot carry a residual over a power of ten.
    """
    if math.isnan(value):
        raise ValueError("a residual is NaN; it cannot be printed as a bound")
    if math.isinf(value):
        return "∞"
    exponent = max(-9, math.ceil(math.log10(value)) + 1) if value > 1e-10 else -9
    return f"< 1e{exponent:d}" if exponent < 0 else f"< {10.0**exponent:.6g}"


def rounded(text: str, digits: int = 6) -> str:
    """``text`` with every decimal number in it rounded, and what is below 1e-9 put to zero."""

    def shorter(found: re.Match[str]) -> str:
        value = float(found[0])
        return "0" if abs(value) < 1e-9 else f"{value:.{digits}g}"

    return re.sub(r"(?<![\w.])-?\d+(?:\.\d+(?:e[-+]?\d+)?|e[-+]?\d+)", shorter, text)


def number(value: float, error: float = 0.0, digits: int = 6) -> str:
    """``value`` to ``digits`` significant digits; zero where it is within ``error`` of it."""
    if abs(value) <= error:
        return "0"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}g}"
    mantissa, e, exponent = text.partition("e")
    return mantissa.replace("-", "−") + (f" · 10^{int(exponent)}".replace("-", "−") if e else "")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table; cells are MyST already."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]
