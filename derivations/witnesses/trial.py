"""Inequalities on finite tables: tried on many of them, the nearly uniform and the nearly deterministic among them."""

import torch

from derivations.language.derivation import Derivation
from derivations.language.free import variables
from derivations.witnesses.magnitude import rounding
from derivations.witnesses.numeric import Numeric
from derivations.witnesses.spaces import TableSpace
from derivations.witnesses.statement import Statement
from derivations.witnesses.verdict import Finding, Judgement

SPREADS = (0.1, 1.0, 3.0)
TABLES = 8


def try_inequality(derivation: Derivation, statement: Statement) -> Judgement:
    """The smallest margin over the tables; a violation beyond rounding refutes."""
    sign = 1.0 if statement.relation == ">=" else -1.0
    worst, slack = float("inf"), 0.0
    for spread in SPREADS:
        for seed in range(TABLES):
            space = TableSpace(derivation, seed, spread)
            numeric = Numeric(derivation.model, space)
            for place in space.places(variables(statement.left) | variables(statement.right)):
                margin = sign * float(numeric.value(statement.left, place) - numeric.value(statement.right, place))
                if margin < worst:
                    worst, slack = (
                        margin,
                        rounding(numeric, statement.left, place) + rounding(numeric, statement.right, place),
                    )
    held = worst >= -slack and torch.isfinite(torch.tensor(worst))
    n = len(SPREADS) * TABLES
    said = "holds" if held else "fails"
    detail = f"{said} on {n} tables, smallest margin {worst:.3g} (an inequality is tried, not decided)"
    return Judgement("tables", Finding.CONFIRMED if held else Finding.REFUTED, detail, max(0.0, -worst), slack)
