"""What a check says: findings, the hypothesis under which the function was judged, and the verdict."""

import html
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from elbo.checking.codes import CODES

Verdict = Literal["correct", "wrong", "undecided"]


@dataclass(frozen=True)
class Finding:
    """One note or mistake: what the function computes instead, with numbers, the effect, and the line to write."""

    code: str
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    effect: str = ""
    fix: str = ""
    reason: str = ""

    @property
    def kind(self) -> str:
        """``"note"`` or ``"mistake"``."""
        return CODES[self.code].kind

    @property
    def page(self) -> str:
        """The page of the documentation that derives the right formula; empty where there is none."""
        slug = CODES[self.code].page
        return f"derivations/{slug}.html" if slug else ""

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-ready values."""
        return {
            "code": self.code,
            "kind": self.kind,
            "message": self.message,
            "evidence": plain(self.evidence),
            "effect": self.effect,
            "fix": self.fix,
            "page": self.page,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Counterexample:
    """The smallest input found on which the function and the contract differ."""

    inputs: Mapping[str, Any]
    yours: Any
    expected: Any
    what: str = "value"

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-ready values."""
        return {
            "inputs": plain(self.inputs),
            "yours": plain(self.yours),
            "expected": plain(self.expected),
            "what": self.what,
        }

    def __str__(self) -> str:
        inputs = ", ".join(f"{name} = {_short(value)}" for name, value in self.inputs.items())
        return f"{inputs}: {self.what} {_short(self.yours)}, expected {_short(self.expected)}"


@dataclass(frozen=True)
class Report:
    """The answer of :func:`elbo.check`.

    ``bool(report)`` is true only for the verdict ``"correct"``. ``adopted`` is the hypothesis under which the function
    was judged, ``candidates`` the codes that the probes could not tell apart, ``unseen`` what no probe could see,
    ``observed`` what the function did to the process (printed, changed global state, drew noise).
    """

    function: str
    target: str
    verdict: Verdict
    mistakes: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    accepted: tuple[Finding, ...] = ()
    adopted: Mapping[str, Any] = field(default_factory=dict)
    candidates: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    counterexample: Counterexample | None = None
    computes: str = ""
    expected_formula: str = ""
    seed: int = 0
    alpha_spent: float = 0.0

    def __bool__(self) -> bool:
        return self.verdict == "correct"

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-ready values."""
        return {
            "function": self.function,
            "target": self.target,
            "verdict": self.verdict,
            "mistakes": [finding.to_dict() for finding in self.mistakes],
            "notes": [finding.to_dict() for finding in self.notes],
            "accepted": [finding.to_dict() for finding in self.accepted],
            "adopted": plain(self.adopted),
            "candidates": list(self.candidates),
            "unseen": list(self.unseen),
            "observed": list(self.observed),
            "counterexample": self.counterexample.to_dict() if self.counterexample else None,
            "computes": self.computes,
            "expected": self.expected_formula,
            "seed": self.seed,
            "alpha_spent": self.alpha_spent,
        }

    def __str__(self) -> str:
        lines = [f"{self.function} against {self.target}: {self.verdict.upper()}"]
        if self.computes:
            lines.append(_wrap("computes  ", self.computes))
        if self.expected_formula and self.verdict != "correct":
            lines.append(_wrap("contract  ", self.expected_formula))
        if self.adopted:
            lines.append(_wrap("judged as ", "; ".join(f"{key}: {value}" for key, value in self.adopted.items())))
        for title, findings in (("mistake", self.mistakes), ("accepted", self.accepted), ("note", self.notes)):
            for finding in findings:
                lines.append(_wrap(f"{title} [{finding.code}] ", finding.message, indent=4))
                if finding.evidence:
                    shown = ", ".join(f"{key} {_short(value)}" for key, value in _rounded(finding.evidence).items())
                    lines.append(_wrap("    numbers: ", shown))
                if finding.effect:
                    lines.append(_wrap("    effect: ", finding.effect))
                if finding.kind == "mistake":
                    lines.append(_wrap("    write: ", finding.fix))
                    lines += [f"    see: {finding.page}"] if finding.page else []
                if finding.reason:
                    lines.append(_wrap("    accepted because: ", finding.reason))
        if self.counterexample:
            lines.append(_wrap("smallest counterexample: ", str(self.counterexample), indent=4))
        if self.candidates:
            lines.append(_wrap("cannot tell apart: ", ", ".join(self.candidates), indent=4))
        lines += [_wrap("not seen: ", text, indent=4) for text in self.unseen]
        lines += [_wrap("observed: ", text, indent=4) for text in self.observed]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        colour = {"correct": "#1a7f37", "wrong": "#b3261e", "undecided": "#8a6100"}[self.verdict]
        rows = []
        for title, findings in (("mistake", self.mistakes), ("accepted", self.accepted), ("note", self.notes)):
            for f in findings:
                more = "".join(
                    f"<br><b>{label}</b> {html.escape(text)}"
                    for label, text in (("effect:", f.effect), ("write:", f.fix if f.kind == "mistake" else ""))
                    if text
                )
                rows.append(
                    f"<tr><td>{title}</td><td><code>{html.escape(f.code)}</code></td>"
                    f"<td style='text-align:left'>{html.escape(f.message)}{more}</td></tr>"
                )
        facts = [("computes", self.computes), ("contract", self.expected_formula)]
        facts += [(str(key), str(value)) for key, value in self.adopted.items()]
        facts += [("counterexample", str(self.counterexample))] if self.counterexample else []
        facts += [("cannot tell apart", ", ".join(self.candidates))] if self.candidates else []
        facts += [("not seen", text) for text in self.unseen] + [("observed", text) for text in self.observed]
        listed = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in facts if v)
        return (
            f"<div class='elbo-report'><p><code>{html.escape(self.function)}</code> against "
            f"<code>{html.escape(self.target)}</code>: <strong style='color:{colour}'>{self.verdict}</strong></p>"
            f"<table>{''.join(rows)}</table><dl>{listed}</dl></div>"
        )


def finding(
    code: str, message: str = "", *, effect: str = "", fix: str = "", evidence: Mapping[str, Any] | None = None
) -> Finding:
    """A finding whose texts come from the table of codes where none are given."""
    entry = CODES[code]
    return Finding(
        code, message or entry.definition, dict(evidence or {}), effect=effect or entry.effect, fix=fix or entry.fix
    )


def plain(value: Any) -> Any:
    """``value`` in JSON's types: tensors become lists, what is not finite becomes text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    return value if isinstance(value, bool | int | str) or value is None else str(value)


def _rounded(evidence: Mapping[str, Any]) -> Mapping[str, Any]:
    """``evidence`` with zeros for what is rounding beside its largest number."""

    def numbers(value: Any) -> list[float]:
        if isinstance(value, Mapping):
            return [n for item in value.values() for n in numbers(item)]
        if isinstance(value, list):
            return [n for item in value for n in numbers(item)]
        return [abs(value)] if isinstance(value, float) and value == value and abs(value) != float("inf") else []

    def shown(value: Any, floor: float) -> Any:
        if isinstance(value, Mapping):
            return {key: shown(item, floor) for key, item in value.items()}
        if isinstance(value, list):
            return [shown(item, floor) for item in value]
        return 0.0 if isinstance(value, float) and abs(value) < floor else value

    lists = {key: value.tolist() if hasattr(value, "tolist") else value for key, value in evidence.items()}
    return {key: shown(value, 1e-12 * max(numbers(lists), default=0.0)) for key, value in lists.items()}


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_short(item)}" for key, item in value.items())
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        inner = ", ".join(_short(item) for item in list(value)[:8])
        return f"[{inner}{', …' if len(value) > 8 else ''}]"
    return str(value)


def _wrap(head: str, text: str, indent: int = 0) -> str:
    return textwrap.fill(
        text, width=110, initial_indent=head, subsequent_indent=" " * (indent or len(head)), break_long_words=False
    )
