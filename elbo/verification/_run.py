"""Ask every witness, in worker processes; seeds do not depend on the worker, and an interrupt loses nothing."""

import multiprocessing
import os
import platform
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cache

from elbo._version import __version__
from elbo.evidence import Ledger, Verdict
from elbo.verification._claim import Claim, Context, Outcome
from elbo.verification._registry import collect

FALSE_ALARMS = 1e-6
"""The probability that a whole run rejects something true, over all its statistical checks together."""


@dataclass(frozen=True)
class Row:
    """A claim and what its witness found."""

    claim: Claim
    outcome: Outcome
    seconds: float


@dataclass
class Run:
    """A whole run of the main job."""

    seed: int
    rows: list[Row]
    seconds: float
    interrupted: bool = False
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many claims got each verdict."""
        found = Counter(row.outcome.verdict for row in self.rows)
        return {verdict: found.get(verdict, 0) for verdict in Verdict}

    @property
    def confirmed(self) -> bool:
        """Whether there is at least one claim and every claim is confirmed: unknown and vacuous are failures."""
        return bool(self.rows) and not self.interrupted and all(row.outcome.verdict for row in self.rows)

    @property
    def alpha(self) -> float:
        """The budget of false alarms that was spent."""
        return sum(row.outcome.alpha for row in self.rows)

    def totals(self) -> str:
        """The closing line."""
        parts = [f"{n} {verdict}" for verdict, n in self.counts.items() if n or verdict is Verdict.CONFIRMED]
        return (
            f"{len(self.rows)} claims: {', '.join(parts)}; false-alarm budget spent {self.alpha:.2g} of "
            f"{FALSE_ALARMS:.0e}; {self.seconds:.1f} s, seed {self.seed}"
            + ("; INTERRUPTED" if self.interrupted else "")
        )


def run(
    claims: Sequence[Claim],
    *,
    seed: int = 0,
    workers: int | None = None,
    on_row: Callable[[Row], None] = lambda row: None,
) -> Run:
    """Judge ``claims``; the rows come back in their order, whatever the workers did.

    Args:
        claims: from :func:`elbo.verification.collect`.
        seed: the root of all seeds; the same seed gives the same verdicts with any number of workers.
        workers: number of processes; 0 judges in this process (where a debugger can follow), default: one a core.
        on_row: called with each row as it arrives.
    """
    share = Ledger(FALSE_ALARMS).split(max(1, sum(claim.stochastic for claim in collect())))
    contexts = [Context(seed, claim.name, share if claim.stochastic else 0.0) for claim in claims]
    started = time.perf_counter()
    outcomes: dict[str, tuple[Outcome, float]] = {}
    interrupted = False

    def keep(claim: Claim, result: tuple[Outcome, float]) -> None:
        outcomes[claim.name] = result
        on_row(Row(claim, *result))

    if workers is None:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(workers, len(claims))
    try:
        if workers <= 1:
            for claim, context in zip(claims, contexts, strict=True):
                keep(claim, _judge(claim, context))
        else:
            with _pool(workers) as pool:
                pending: dict[Future[tuple[Outcome, float]], Claim] = {}
                try:
                    for claim, context in zip(claims, contexts, strict=True):
                        pending[pool.submit(_judge_by_name, claim.name, context)] = claim
                    for future in as_completed(pending):
                        keep(pending[future], _result(future))
                except KeyboardInterrupt:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
    except KeyboardInterrupt:
        interrupted = True
    missing = Outcome(Verdict.UNKNOWN, detail="interrupted before it was judged")
    rows = [Row(claim, *outcomes.get(claim.name, (missing, 0.0))) for claim in claims]
    return Run(seed, rows, time.perf_counter() - started, interrupted, versions())


def versions() -> dict[str, str]:
    """What the run ran on."""
    found = {"elbo": __version__, "python": platform.python_version(), "platform": platform.platform()}
    return found | {
        name: str(sys.modules[name].__version__) for name in ("torch", "numpy", "scipy", "sympy") if name in sys.modules
    }


def _judge(claim: Claim, context: Context) -> tuple[Outcome, float]:
    started = time.perf_counter()
    try:
        outcome = claim.check(context)
    except Exception as error:
        outcome = Outcome(
            Verdict.UNKNOWN,
            detail=f"{type(error).__name__}: {error}",
            evidence={"traceback": traceback.format_exc()},
        )
    if outcome.alpha > context.alpha * (1 + 1e-12):
        outcome = Outcome(
            Verdict.UNKNOWN, detail=f"spent alpha = {outcome.alpha:.2g}, more than its {context.alpha:.2g}"
        )
    return outcome, time.perf_counter() - started


@cache
def _claims_by_name() -> dict[str, Claim]:
    return {claim.name: claim for claim in collect()}


def _judge_by_name(name: str, context: Context) -> tuple[Outcome, float]:
    return _judge(_claims_by_name()[name], context)


def _result(future: "Future[tuple[Outcome, float]]") -> tuple[Outcome, float]:
    try:
        return future.result()
    except Exception as error:  # the worker died, or the outcome could not travel
        return Outcome(Verdict.UNKNOWN, detail=f"the worker failed: {type(error).__name__}: {error}"), 0.0


def _pool(workers: int) -> ProcessPoolExecutor:
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(["torch", "numpy", "scipy", "elbo.evidence"])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def _start_worker() -> None:
    import torch

    torch.set_num_threads(1)
