"""Hypothesis strategies for laws, tables, models and importance weights.

Each refuses arguments that would make the property tested with it vacuous (a single state, an empty range, weights that
are always equal), with an ``InputValueError`` that says what to write.
"""

from elbo.strategies._distributions import distributions, families, near_equal_pairs, pairs
from elbo.strategies._numbers import correlations, positive_tensors, real_tensors
from elbo.strategies._problems import Case, linear_gaussians, problem_kinds, problems
from elbo.strategies._tables import log_weights, probability_tables

__all__ = [
    "Case",
    "correlations",
    "distributions",
    "families",
    "linear_gaussians",
    "log_weights",
    "near_equal_pairs",
    "pairs",
    "positive_tensors",
    "probability_tables",
    "problem_kinds",
    "problems",
    "real_tensors",
]
