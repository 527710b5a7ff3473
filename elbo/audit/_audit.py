"""The audit of a whole registry."""

import importlib
import importlib.util
import math
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from elbo._errors import InputTypeError, InputValueError
from elbo.audit._cases import known_pairs
from elbo.audit._families import FAMILIES
from elbo.audit._judge import Divergence, NotOffered, judge
from elbo.audit._report import TOLERANCE, AuditReport, PairReport

TORCH, OURS = "torch.distributions", "elbo"


def audit(
    target: str | Divergence = TORCH,
    *,
    only: str = "",
    times: int = 1,
    progress: Callable[[str], None] | None = None,
) -> AuditReport:
    """Judge every pair of a KL function against mpmath, over parameters ordinary, nearly equal, extreme and at the
    edge.

    Args:
        target: ``"torch.distributions"``, ``"elbo"``, a function ``kl(q, p)`` of ``torch.distributions`` objects that
            returns one value for each element of the batch, or where one is: ``"package.module:function"``,
            ``"file.py:function"``.
        only: a pattern for names like ``"Beta ‖ Gamma"``, in letters of either case; plain text means "contains".
        times: how many times the usual number of parameters to try.
        progress: called with the name of each pair before it is judged.

    Returns:
        a report with one entry a pair: worst relative error and where, digits lost near equality, NaN, negative and
        wrongly infinite or finite values, errors of gradients. It is true if every pair is right. An interrupt
        (Ctrl-C) ends it with what was judged until then, and ``interrupted`` set.

    Raises:
        InputTypeError: if the target is not callable.
        InputValueError: if it cannot be found or imported, or if ``times`` is not a positive number.

    Conditions: a pair is right if no relative error exceeds 32 eps of its dtype (for ``"elbo"``: the accuracy that the
    pair states, if it states one), besides log KL eps for values above 1e14 (an exponent that is rounded costs as
    much). It is wrong if no rounding explains what was found, and loses digits in between. Nothing is sampled; the
    cases are the same in every run.

    Example:
        >>> from torch.distributions import kl_divergence
        >>> report = audit(kl_divergence, only="Poisson ‖ Poisson")
        >>> report.of("Poisson", "Poisson").status
        'wrong'
        >>> print(report.of("Poisson", "Poisson").nan[0].q)
        {'rate': 0.0}
    """
    if times < 1:
        raise InputValueError(f"times is {times}, expected a number from 1: the usual parameters are tried once")
    divergence, stated = resolve(target)
    started = time.perf_counter()
    offered = _offered(target)
    pairs: list[PairReport] = []
    interrupted = False
    try:
        for q, p in known_pairs():
            if not _wanted(f"{q} ‖ {p}", only) or (offered is not None and not _listed(q, p, offered)):
                continue
            if progress is not None:
                progress(f"{q} ‖ {p}")
            with suppress(NotOffered):
                pairs.append(judge(divergence, q, p, stated.get((q, p), TOLERANCE), times))
    except KeyboardInterrupt:
        interrupted, offered = True, None
    judged = {(pair.q, pair.p) for pair in pairs}
    for q, p in sorted(offered or ()):
        if (
            (q, p) not in judged
            and _wanted(f"{q} ‖ {p}", only)
            and (q not in FAMILIES or p not in FAMILIES or _unknown(q, p))
        ):
            pairs.append(PairReport(q, p, note="no reference for this pair"))
    name = target if isinstance(target, str) else getattr(target, "__qualname__", repr(target))
    return AuditReport(name, pairs, time.perf_counter() - started, interrupted)


def _wanted(name: str, only: str) -> bool:
    pattern = only if any(c in only for c in "*?[") else f"*{only}*"
    return fnmatchcase(name.lower(), pattern.lower())


def _unknown(q: str, p: str) -> bool:
    return (q, p) not in set(known_pairs())


def _offered(target: str | Divergence) -> set[tuple[str, str]] | None:
    """The pairs that a registry lists, by name; None where one has to try."""
    if target == TORCH:
        from torch.distributions import kl

        return {(q.__name__, p.__name__) for q, p in kl._KL_REGISTRY}
    if target == OURS:
        from elbo.divergences import kl_pairs

        return {(pair.q.__name__, pair.p.__name__) for pair in kl_pairs()}
    return None


# subclasses of TransformedDistribution that are offered through it
THROUGH = dict.fromkeys(("HalfCauchy", "InverseGamma", "LogNormal"), "TransformedDistribution")


def _listed(q: str, p: str, offered: set[tuple[str, str]]) -> bool:
    return (q, p) in offered or (q == p and (THROUGH.get(q, q), THROUGH.get(p, p)) in offered)


def resolve(target: Any) -> tuple[Divergence, dict[tuple[str, str], float]]:
    """The function, and the accuracy that it states for a pair where it does."""
    if callable(target):
        return target, {}
    if not isinstance(target, str):
        raise InputTypeError(
            f"target is {target!r}, expected a function kl(q, p) or where one is: 'package.module:function'"
        )
    if target == TORCH:
        from torch.distributions import kl_divergence

        return kl_divergence, {}
    if target == OURS:
        from elbo.divergences import kl, kl_pairs

        # a pair that states no accuracy is judged like anybody's
        stated = {(x.q.__name__, x.p.__name__): max(x.accuracy, 1.0) for x in kl_pairs() if x.accuracy < math.inf}
        return kl, stated
    if target.endswith(".py"):
        raise InputValueError(f"target is {target!r}, expected a function of that file: write '{target}:kl'")
    module_name, _, attribute = target.rpartition(":") if ":" in target else target.rpartition(".")
    if not module_name:
        raise InputValueError(
            f"target is {target!r}, expected 'torch.distributions', 'elbo' or 'package.module:function'"
        )
    return _attribute(_module(module_name, target), attribute, target), {}


def _module(name: str, target: str) -> Any:
    path = Path(name)
    if name.endswith(".py") and not path.is_file():
        raise InputValueError(f"target is {target!r}: there is no file {name!r}")
    try:
        if name.endswith(".py"):
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # whatever a stranger's file does
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        reason = f"{kind}{str(error).strip()}".partition("\n")[0]
        raise InputValueError(
            f"target is {target!r}: importing {name!r} fails with {reason}; expected 'package.module:function' or "
            "'file.py:function', of what can be imported"
        ) from error


def _attribute(module: Any, attribute: str, target: str) -> Divergence:
    function = getattr(module, attribute, None)
    if not callable(function):
        like: Sequence[str] = [x for x in dir(module) if "kl" in x.lower() and callable(getattr(module, x))]
        raise InputValueError(
            f"target is {target!r}: {attribute!r} is not a function there; "
            f"functions like it: {', '.join(like) or 'none'}"
        )
    found: Divergence = function
    return found
