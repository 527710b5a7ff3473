"""Mathematics as MathML Core, rendered while the site is built: no script, no font, no request.

The converter is that of docutils. It refuses macros it does not know, so that a broken formula is a warning with the
place of the formula, and under ``-W`` fails the build. It lacks ``\\middle``, ``\\stackrel``, ``\\substack`` and
``\\mathop``.
"""

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
WIDE = 60  # characters of TeX beyond which a formula in the text may not fit a phone, and scrolls there


# What TeX understands and the converter does not: \\Big without a side and \\dots (errors), and \\frac12, which it
# reads as a fraction with the numerator 12 (a wrong formula without an error).
_REWRITE = (
    (re.compile(r"\\(?:big|Big|bigg|Bigg)\|"), r"\\rvert "),
    (re.compile(r"\\(?:big|Big|bigg|Bigg)(?![a-zA-Z])"), ""),
    (re.compile(r"\\dots(?![a-zA-Z])"), r"\\ldots"),
    (re.compile(r"\\([td]?frac)\s*(\d)\s*(\d)"), r"\\\1{\2}{\3}"),
    (re.compile(r"\\([td]?frac)\s*(\d)"), r"\\\1{\2}"),
)

# TeX sets a thin space on either side of log, exp, max, ...; the converter sets none.
_NAMED = r"<mi>(?:log|exp|max|min|det|arg|sup|inf|lim|cos|sin|tanh)</mi>"
_SPACING = (
    (
        re.compile(rf"(</(?:mi|mn|msub|msup|msubsup|mfrac|msqrt)>\s*)({_NAMED})"),
        r'\1<mspace width="0.17em"></mspace>\2',
    ),
    (re.compile(r"<mo>&ApplyFunction;</mo>(?!\s*(?:<mrow>\s*)?<mo[^>]*>[(\[])"), '<mspace width="0.17em"></mspace>'),
)


def convert(tex: str, *, block: bool) -> str:
    """The MathML of a formula; raises ``MathError`` where the converter does not understand it."""
    for pattern, replacement in _REWRITE:
        tex = pattern.sub(replacement, tex)
    converted = latex2mathml.tex2mathml(tex, as_block=block)
    html = converted if isinstance(converted, str) else "".join(converted)
    for pattern, replacement in _SPACING:
        html = pattern.sub(replacement, html)
    return html


def _render(translator: Any, node: nodes.Element, *, block: bool) -> None:
    try:
        html = convert(node.astext(), block=block)
        wide = not block and len(node.astext()) > WIDE
        translator.body.append(f'<span class="wide-math">{html}</span>' if wide else html)
    except MathError as error:
        reason = " ".join(str(error).split())
        logger.warning("formula not understood: %s (%s)", node.astext(), reason, location=node, type="mathml")
        translator.body.append(f"<code>{translator.encode(node.astext())}</code>")


def visit_math(translator: Any, node: nodes.math) -> None:
    """A formula in the text."""
    _render(translator, node, block=False)
    raise nodes.SkipNode


def visit_math_block(translator: Any, node: nodes.math_block) -> None:
    """A displayed formula, with its number where it has one."""
    translator.body.append(translator.starttag(node, "div", CLASS="math", tabindex="0"))
    number = node.get("number")
    if number:
        translator.body.append(f'<span class="eqno">({number})</span>')
    _render(translator, node, block=True)
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the renderer ``mathml`` for HTML."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
