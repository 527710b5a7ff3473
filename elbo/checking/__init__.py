"""Check a loss: does this function compute what its author thinks it computes, and if not, what instead?"""

from elbo.checking._api import check
from elbo.checking._guard import FunctionError, TimeLimitError
from elbo.checking._model import check_model
from elbo.checking._model_report import ModelReport
from elbo.checking._report import Counterexample, Finding, Report
from elbo.checking.codes import CODES, MISTAKES, NOTES, Code
from elbo.checking.targets import MODULES as _MODULES

TARGETS = tuple(_MODULES)
"""Everything that a function can be checked against."""

__all__ = [
    "CODES",
    "MISTAKES",
    "NOTES",
    "TARGETS",
    "Code",
    "Counterexample",
    "Finding",
    "FunctionError",
    "ModelReport",
    "Report",
    "TimeLimitError",
    "check",
    "check_model",
]
