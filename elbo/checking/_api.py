"""``elbo.check``: does this function compute what its author thinks it computes?"""

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from elbo._errors import InputValueError
from elbo.checking._case import SPREADS, Case, Options
from elbo.checking._frameworks import wrap
from elbo.checking._guard import Guard
from elbo.checking._report import Finding, Report, Verdict
from elbo.checking._subject import Subject, name_of
from elbo.checking.codes import CODES
from elbo.checking.targets import MODULES, load
from elbo.evidence import generator


def check(
    function: Callable[..., Any],
    target: str,
    *,
    spread: str | None = None,
    maximise: bool | None = None,
    sample_axis: int | None = None,
    n_data: int | None = None,
    ema: bool | None = None,
    expected: Mapping[str, str] | None = None,
    shapes: Any = None,
    alpha: float = 1e-6,
    seed: int = 0,
) -> Report:
    """Judge what ``function`` computes against ``target``, from its values and gradients alone.

    The function is called on small float64 tensors of several shapes, once in float32, never edited or read. It runs
    as code of this process: check only what you would run.

    Args:
        function: any callable on torch tensors: a function, lambda, partial, bound method or module.
        target: one of the names in :data:`elbo.checking.TARGETS`, for example ``"gaussian_kl"``.
        spread: ``"log_variance"``, ``"variance"``, ``"std"`` or ``"log_std"``, if the caller knows what it passes.
        maximise: whether the value is maximised.
        sample_axis: the axis of the importance samples.
        n_data: size of the data set, for minibatch estimates.
        ema: whether the codebook is updated by a moving average.
        expected: ``{code: reason}`` for deviations that are known and accepted.
        shapes: sizes to probe at, for example ``{"B": 4, "D": 20, "P": 784}``.
        alpha: probability of a false alarm, where a sequential test is the last resort.
        seed: root of all random inputs; the same call with the same seed gives the same report.

    Returns:
        A :class:`Report`, true only if the verdict is ``"correct"``.

    Raises:
        elbo.Error: the function cannot be called, raises, takes too long or returns no real tensor; an unknown
            target or option.

    Example:
        >>> import elbo
        >>> def kl(mean, log_var):
        ...     return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).mean()
        >>> report = elbo.check(kl, "gaussian_kl")
        >>> report.verdict, [mistake.code for mistake in report.mistakes]
        ('wrong', ['kl-averaged-over-latent'])
    """
    accepted = _accepted(expected or {})
    entry = load(_known("target", target, MODULES))
    if spread is not None:
        _known("spread", spread, SPREADS)
    guard = Guard(name_of(function))
    function = wrap(function)
    options = Options(spread, maximise, sample_axis, n_data, ema, shapes, alpha, seed)
    with guard:
        subject = Subject(function, len(entry.roles), guard, optional=entry.optional)
        letters = tuple(entry.roles.values())
        case = Case(subject, options, letters, generator(seed, "check", target))
        entry.judge(case)
        if case.suspect is not None and case.found_any("algebra-slip", "constant-wrong") and case.suspect():
            case = Case(subject, options, letters, generator(seed, "check", target), look_for_noise=True)
            entry.judge(case)
    return _report(case, target, accepted)


def known_target(name: str) -> str:
    """``name`` if it is a target; an error with the list, and the nearest, if not."""
    return _known("target", name, MODULES)


def _report(case: Case, target: str, accepted: Mapping[str, str]) -> Report:
    mistakes = [f for f in case.found if f.kind == "mistake"]
    taken = [f for f in case.found if f.code in accepted]
    mistakes = [f for f in mistakes if f.code not in accepted]
    notes = [f for f in case.found if f.kind == "note" and f.code not in accepted]
    verdict: Verdict = "wrong" if mistakes else "undecided" if case.undecided else "correct"
    unseen = [case.undecided, *case.unseen] if case.undecided else case.unseen
    return Report(
        function=case.subject.name,
        target=target,
        verdict=verdict,
        mistakes=tuple(mistakes),
        notes=tuple(notes),
        accepted=tuple(Finding(f.code, f.message, f.evidence, f.effect, f.fix, reason=accepted[f.code]) for f in taken),
        adopted=case.adopted,
        candidates=tuple(case.candidates),
        unseen=tuple(unseen),
        observed=tuple(case.subject.guard.observed),
        counterexample=case.counterexample if mistakes or taken else None,
        computes=case.computes,
        expected_formula=case.contract,
        seed=case.options.seed,
        alpha_spent=case.alpha_spent,
    )


def _accepted(expected: Mapping[str, str]) -> Mapping[str, str]:
    for code, reason in expected.items():
        _known("expected", code, CODES)
        if not isinstance(reason, str) or not reason.strip():
            raise InputValueError(
                f"expected[{code!r}] is {reason!r}; say in a few words why this deviation is accepted, "
                f"for example {{{code!r}: 'as in the paper we reproduce'}}"
            )
    return expected


def _known(argument: str, value: str, names: Any) -> str:
    if value in names:
        return value
    near = difflib.get_close_matches(str(value), list(names), n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputValueError(f"{argument} is {value!r}; expected one of {', '.join(sorted(names))}{hint}")
