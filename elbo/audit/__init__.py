"""Judge a KL registry: somebody's closed forms against mpmath, pair by pair, near equality, far, and at the edges."""

from elbo.audit._audit import audit
from elbo.audit._report import AuditReport, Finding, PairReport

__all__ = ["AuditReport", "Finding", "PairReport", "audit"]
