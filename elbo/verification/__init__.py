"""The main job: everything that the library asserts, with its witnesses (``elbo verify``).

A statement enters by adding a file to :mod:`elbo.verification.claims` that has a function ``claims()``.
"""

from elbo.verification._claim import WITNESSES, Claim, Context, Outcome, Witness
from elbo.verification._registry import collect

__all__ = ["WITNESSES", "Claim", "Context", "Outcome", "Witness", "collect"]
