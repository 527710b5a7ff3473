"""All derivations as one LaTeX document that compiles with pdflatex."""

import re
from collections.abc import Iterable, Iterator

from derivations.language import RULES
from derivations.pages._content import Content
from derivations.pages._text import anchor, sentence
from derivations.pages.myst import RELATION

_PREAMBLE = r"""% written by `python -m derivations pages --format latex`
\documentclass[a4paper,11pt]{article}
\usepackage[utf8]{inputenc}
\usepackage{amsmath,amssymb}
\usepackage[margin=25mm]{geometry}
\usepackage[hidelinks]{hyperref}
\allowdisplaybreaks
\title{Derivations}
\date{}
\begin{document}
\maketitle
\tableofcontents
"""

_SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "$": r"\$",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "|": r"\textbar{}", "<": r"\textless{}",
    "⁻": r"$^{-}$", "¹": r"$^{1}$",
    ">": r"\textgreater{}", "‖": r"$\|$", "×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$",
    "∞": r"$\infty$", "−": r"$-$", "·": r"$\cdot$", "√": r"$\surd$", "→": r"$\to$", "≪": r"$\ll$",
    "∂": r"$\partial$", "∇": r"$\nabla$", "∈": r"$\in$", "Σ": r"$\Sigma$", "Π": r"$\Pi$", "Λ": r"$\Lambda$",
    "Φ": r"$\Phi$", "ᵀ": r"$^{\top}$", "²": r"$^{2}$", "½": r"$\frac12$", "α": r"$\alpha$", "β": r"$\beta$",
    "γ": r"$\gamma$", "δ": r"$\delta$", "ε": r"$\varepsilon$", "θ": r"$\theta$", "κ": r"$\kappa$",
    "λ": r"$\lambda$", "μ": r"$\mu$", "π": r"$\pi$", "σ": r"$\sigma$", "τ": r"$\tau$", "φ": r"$\varphi$",
    "χ": r"$\chi$", "ψ": r"$\psi$", "’": "'", "–": "--", "§": r"\S{}", "ø": r"\o{}",
}  # fmt: skip


def plain(text: str) -> str:
    """Plain text; refuses a sign that pdflatex would not set."""
    out = "".join(_SIGNS.get(c, c) for c in text)
    foreign = sorted({c for c in out if ord(c) > 0x17F})
    if foreign:
        raise ValueError(
            f"{text!r} has signs that the LaTeX document cannot set: {' '.join(foreign)}; add them to _SIGNS"
        )
    return out


def prose(text: str) -> str:
    """Text in which mathematics stands between dollars, and words may be *stressed* or `code`."""
    pieces = re.split(r"(\$[^$]*\$)", text)
    return "".join(p if p.startswith("$") else _stressed(p) for p in pieces)


def _stressed(text: str) -> str:
    out = plain(text)
    out = re.sub(r"\*\*([^*]+)\*\*", r"\\textbf{\1}", out)
    out = re.sub(r"\*([^*]+)\*", r"\\emph{\1}", out)
    return re.sub(r"`([^`]+)`", r"\\texttt{\1}", out)


def document(contents: Iterable[Content]) -> str:
    """The whole document."""
    lines = [_PREAMBLE]
    for c in contents:
        lines += _section(c)
    lines += [r"\appendix", r"\section{Rules}", *_rules(), r"\end{document}", ""]
    return "\n".join(lines)


def _display(tex: str) -> str:
    return f"\\begin{{equation*}}\n{tex}\n\\end{{equation*}}"


def _section(c: Content) -> Iterator[str]:
    yield rf"\section{{{plain(c['title'])}}}\label{{derivation-{c['slug']}}}"
    yield prose(c["statement"])
    yield _display(f"{c['start']['latex']} {RELATION[c['relation']]} {c['last']['latex']}")
    if c["depends_on"]:
        yield "Uses " + ", ".join(rf"section~\ref{{derivation-{slug}}}" for slug in c["depends_on"]) + "."
    conditions = [*c["conditions"]["assumed"], *(x["latex"] for x in c["conditions"]["collected"])]
    if conditions:
        yield from _items("Conditions", (prose(x) for x in conditions))
    for d in c["definitions"]:
        yield rf"\paragraph{{{plain(sentence(d['name']))}}}\label{{definition-{c['slug']}-{anchor(d['name'])}}}"
        yield _display(f"{d['left']['latex']} = {d['right']['latex']}")
        yield _witnesses(d["witnesses"])
    yield r"\paragraph{Proof}"
    yield _display(c["start"]["latex"])
    for step in c["steps"]:
        yield _display(rf"{RELATION[step['relation']]} {step['expression']['latex']}\tag{{{step['number']}}}")
        note = f" {prose(step['note'])}" if step["note"] else ""
        yield f"By {', '.join(_rule(c, r) for r in step['rules'])}.{note} {_witnesses(step['witnesses'])}"
    for w in c["wrong"]:
        yield r"\paragraph{Wrong}"
        yield _display(rf"{w['left']['latex']} \overset{{?}}{{{RELATION[w['relation']]}}} {w['expression']['latex']}")
        yield f"{prose(w['why'])} Rejected by {', '.join(w['rejected_by'])}."
    for i in c["instances"]:
        laws = [f"${law['density']['latex']}$ is ${law['law']['latex']}$" for law in i["laws"]]
        numbers = [f"${n['latex']} = {n['value']}$" for n in (*i["values"], *i["parameters"])]
        yield rf"\paragraph{{Instance: {plain(i['name'])}}} {', '.join((*laws, *numbers))}."
    yield from _items("Sources", (plain(f"{s['work']}, {s['locator']}") for s in c["sources"]))


def _items(title: str, items: Iterable[str]) -> Iterator[str]:
    yield rf"\paragraph{{{title}}}\begin{{itemize}}"
    yield from (rf"\item {item}" for item in items)
    yield r"\end{itemize}"


def _rule(c: Content, rule: Content) -> str:
    kind = f"definition-{c['slug']}" if rule["definition"] else "rule"
    return rf"\hyperref[{kind}-{anchor(rule['name'])}]{{{plain(rule['name'])}}}"


def _witnesses(witnesses: Iterable[Content]) -> str:
    said = ", ".join(f"{w['witness']} {w['finding']}" for w in witnesses if w["finding"] != "not applicable")
    return rf"\textit{{({plain(said)})}}"


def _rules() -> Iterator[str]:
    for rule in RULES.values():
        yield rf"\paragraph{{{plain(sentence(rule.name))}}}\label{{rule-{anchor(rule.name)}}}"
        yield _display(rule.statement)
        yield f"Needs: {plain(rule.conditions)}. Proved in {plain(rule.source)}."
