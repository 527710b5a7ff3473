"""What the sources get wrong: each erratum's counterexample is evaluated. Remarks on wording are no claims."""

from collections.abc import Iterator
from functools import partial

from elbo.verification import Claim, Context, Outcome, Witness

# by the topic's module: how its counterexamples find their numbers
_WITNESS: dict[str, Witness] = {"roles": "tables", "words": "tables", "divergences": "tables"}


def claims() -> Iterator[Claim]:
    """Claims on :mod:`derivations.errata`."""
    from derivations.errata import errata

    for entry in errata():
        if entry.counterexample is None:
            continue
        topic = entry.counterexample.__module__.rpartition(".")[2]
        yield Claim(
            f"errata.{entry.label}",
            f"refuted: {entry.title}",
            _WITNESS.get(topic, "quadrature"),
            partial(_evaluate, entry.label),
            source="; ".join(map(str, entry.places)),
        )


def _evaluate(label: str, context: Context) -> Outcome:
    from derivations.errata import erratum

    found = erratum(label).evaluate()
    shown = found.violates[0]
    return Outcome.holds(
        found.refutes,
        f"{shown.quantity}: {shown.found:.6g}, which would have to be {shown.relation} {shown.asserted:.6g}",
        violates=[vars(c) for c in found.violates],
        confirms=[vars(c) for c in found.confirms],
    )
