"""Derivations as data, every line of which is judged by several witnesses.

>>> import derivations
>>> report = derivations.judge(derivations.find("posterior-kl"), only=("rules", "tables"))
>>> report.proved
True
"""

from derivations.catalogue import catalogue, find
from derivations.witnesses import judge

__all__ = ["catalogue", "find", "judge"]
