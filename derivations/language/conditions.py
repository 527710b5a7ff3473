"""Side conditions: what a step needs beyond the rules that it cites."""

from dataclasses import dataclass

from derivations.language import terms as t


@dataclass(frozen=True)
class Condition:
    """A side condition: its kind, the terms that it is about, and how it reads."""

    kind: str
    about: tuple[t.Term, ...]

    def __str__(self) -> str:
        return _READS[self.kind].format(*(str(a) for a in self.about))

    @property
    def latex(self) -> str:
        """Words with LaTeX mathematics between dollars."""
        from derivations.language.printing import latex

        return _READS[self.kind].format(*(f"${latex(a)}$" for a in self.about))


_READS = {
    ">=": "{0} ≥ {1}",
    ">": "{0} > {1}",
    "absolutely continuous": "{0} is absolutely continuous with respect to {1}",
    "integrable": "under {0}, {1} is integrable",
    "domination": "the derivative by {1} of {0} times the integrand is dominated by an integrable function, and the"
    " support of {0} does not move with {1}",
    "boundary": "{0} times {1} vanishes at the ends of the support",
    "positive": "{0} is positive",
    "reparameterised": "{0} is the law of {1}",
}
