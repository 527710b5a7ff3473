"""Run someone's KL on the cases of a pair and compare with the reference."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from elbo.audit._cases import Case, arguments, cases, digits, reference, samples
from elbo.audit._families import FAMILIES, Values, tensors
from elbo.audit._report import TOLERANCE, Finding, PairReport

Divergence = Callable[[Distribution, Distribution], Any]

DTYPES = {"float64": torch.float64, "float32": torch.float32}
EPS = {name: torch.finfo(dtype).eps for name, dtype in DTYPES.items()}
HUGE = 1e14  # e^32: from there on the rounding of an exponent alone passes the tolerance
GRADIENT_CASES = {"ordinary": 4, "extreme": 2}  # near ones are taken at two distances


class NotOffered(Exception):
    """The target has no such pair."""


def _call(divergence: Divergence, q: str, p: str, group: list[Case], dtype: torch.dtype, grad: bool = False) -> Any:
    """Values ``[case]``, and the leaves they depend on."""
    leaves_q = tensors(FAMILIES[q], [c.q or c.p for c in group], dtype)
    leaves_p = tensors(FAMILIES[p], [c.p or c.q for c in group], dtype)
    if grad:
        for side, leaves in ((q, leaves_q), (p, leaves_p)):
            for parameter in FAMILIES[side].parameters:
                if parameter.differentiable:
                    leaves[parameter.name].requires_grad_()
    shared_q = leaves_q or _directions(group, dtype)
    shared_p = leaves_p or _directions(group, dtype)
    value = divergence(FAMILIES[q].make(shared_q), FAMILIES[p].make(shared_p))
    if not isinstance(value, Tensor):
        value = torch.as_tensor(np.asarray(value))
    if value.shape != (len(group),):
        raise ValueError(f"shape {tuple(value.shape)} for a batch of {len(group)}: expected one value an element")
    return value, leaves_q, leaves_p


def _directions(group: list[Case], dtype: torch.dtype) -> dict[str, Tensor]:
    """A law without parameters takes its dimension from the other."""
    side = [c.q or c.p for c in group]
    return {k: torch.tensor(np.stack([values[k] for values in side]), dtype=dtype) for k in side[0]}


def _values(divergence: Divergence, q: str, p: str, group: list[Case], dtype: torch.dtype) -> list[float | Exception]:
    """One number a case; where the batch raises, case by case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.no_grad():
                return [float(v) for v in _call(divergence, q, p, group, dtype)[0].tolist()]
        except Exception:  # whatever a stranger's function raises is a finding
            found: list[float | Exception] = []
            for case in group:
                try:
                    with torch.no_grad():
                        found.append(float(_call(divergence, q, p, [case], dtype)[0].item()))
                except Exception as error:
                    found.append(error)
            if all(isinstance(value, NotImplementedError) for value in found):
                raise NotOffered from None
            return found


def _plain(values: Values) -> dict[str, Any]:
    return {name: value.tolist() for name, value in values.items() if not name.startswith("_")}


def _finding(what: str, dtype: str, case: Case, got: Any, error: float = math.nan, want: Any = None) -> Finding:
    truth = case.reference if want is None else want
    return Finding(
        what, dtype, case.kind, _plain(case.q), _plain(case.p), str(got), mp.nstr(truth, 17), error, case.distance
    )


def _compare(report: PairReport, dtype: str, case: Case, got: float | Exception) -> None:
    info = torch.finfo(DTYPES[dtype])
    want = case.reference
    if isinstance(got, Exception):
        refused = isinstance(got, (ValueError, NotImplementedError)) and case.kind == "boundary"
        (report.refused if refused else report.raised).append(
            _finding("raises", dtype, case, f"{type(got).__name__}: {str(got)[:160]}")
        )
        return
    if math.isnan(got):
        report.nan.append(_finding("NaN", dtype, case, got))
        return
    if got < 0:
        report.negative.append(_finding("negative", dtype, case, got))
    overflows = want > info.max
    if math.isinf(got) or overflows:
        if math.isinf(got) and got > 0 and not overflows:
            report.infinite.append(_finding("infinite, truth finite", dtype, case, got))
        elif not math.isinf(got) and mp.isinf(want):
            report.finite.append(_finding("finite, truth infinite", dtype, case, got))
        return
    if want < info.tiny / info.eps:
        # below this, a value of the dtype cannot have all digits: an error of the smallest step there is exact
        error = 0.0 if abs(got - float(want)) <= info.tiny else math.inf if want == 0 else float(abs(got - want) / want)
        if case.kind == "equal" and got != 0:
            error = math.inf
        if case.kind == "equal" and got == 0:
            error = 0.0
    else:
        error = _beyond_exponent(float(abs(mp.mpf(got) - want) / want), want, dtype)
    ulps = error / EPS[dtype]
    if case.kind in ("near", "equal"):
        off = float(abs(mp.mpf(got) - want) / max(1, want))
        report.near[dtype] = max(report.near.get(dtype, 0.0), off)
    if case.kind == "ordinary":
        report.ordinary[dtype] = max(report.ordinary.get(dtype, 0.0), ulps)
    if case.distance is not None:
        table = report.by_distance.setdefault(dtype, {})
        table[case.distance] = max(table.get(case.distance, 0.0), error)
        lost = math.log10(ulps) if ulps > 1 else 0.0
        report.digits_lost[dtype] = max(report.digits_lost.get(dtype, 0.0), lost)
    if ulps >= max(report.worst.values(), default=0.0) and ulps > report.tolerance:
        report.worst_case = _finding("worst error", dtype, case, got, error)
    report.worst[dtype] = max(report.worst.get(dtype, 0.0), ulps)


def _beyond_exponent(error: float, size: Any, dtype: str) -> float:
    """The error of a huge value less what rounding its logarithm costs: e^y loses |y| eps when y is rounded twice."""
    return max(0.0, error - float(mp.log(size)) * EPS[dtype]) if size > HUGE else error


def _gradient_cases(group: list[Case], times: int) -> list[Case]:
    finite = [c for c in group if mp.isfinite(c.reference)]
    chosen = []
    for kind, count in GRADIENT_CASES.items():
        chosen += [c for c in finite if c.kind == kind][: times * count]
    for distance in (1e-2, 1e-4):
        chosen += [c for c in finite if c.distance is not None and abs(c.distance / distance - 1) < 1e-9][:times]
    return chosen


def _slots(q: str, p: str, case: Case) -> list[tuple[int, str, tuple[int, ...], float]]:
    """Every number that a gradient is taken towards: argument, name, index, natural scale."""
    found = []
    position = 0
    for family, values in ((FAMILIES[q], case.q), (FAMILIES[p], case.p)):
        for parameter in family.parameters:
            if parameter.differentiable:
                for index in np.ndindex(parameter.shape):
                    number = float(values[parameter.name][index])
                    if (parameter.kind == "tril" and index[1] > index[0]) or not math.isfinite(number):
                        continue
                    found.append((position, parameter.name, index, _natural_scale(parameter.kind, number)))
            position += 1
    return found


def _natural_scale(kind: str, number: float) -> float:
    """The change of a parameter that counts as one: all of it; of a probability that of its logit."""
    if kind == "unit" and 0.0 < number < 1.0:
        return number * (1.0 - number)
    return abs(number) if number and kind == "positive" else 1.0


def _derivative(q: str, p: str, case: Case, position: int, index: tuple[int, ...], scale: float) -> Any:
    """A central difference with a quarter of the digits as its step: its error is of half of them."""
    function = reference(q, p)
    assert function is not None

    def shifted(step: Any) -> Any:
        parameters = [*arguments(q, case.q), *arguments(p, case.p)]
        if index:
            inner = parameters[position]
            for i in index[:-1]:
                inner = inner[i]
            inner[index[-1]] += step
        else:
            parameters[position] += step
        try:
            value = function(*parameters)
        except (ValueError, ZeroDivisionError):
            return mp.nan
        return value if isinstance(value, mp.mpf) else mp.nan  # complex outside of the domain

    step = mp.mpf(10) ** -(mp.mp.dps // 4) * (scale or 1.0)
    slope = (shifted(step) - shifted(-step)) / (2 * step)
    if mp.isfinite(slope):
        return slope
    # at the edge of a support: the derivative from inside, if two steps agree that there is one
    for side in (1, -1):
        here = shifted(mp.mpf(0))
        coarse, fine = ((shifted(side * h) - here) / (side * h) for h in (step, step * mp.mpf(10) ** -6))
        if mp.isfinite(fine) and abs(coarse - fine) <= abs(fine) * mp.mpf(10) ** -9:
            return fine
    return mp.inf


def _gradients(report: PairReport, divergence: Divergence, chosen: list[Case], dtype: str) -> None:
    q, p = report.q, report.p
    if not chosen or not any(x.differentiable for x in FAMILIES[q].parameters + FAMILIES[p].parameters):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value, *leaves = _call(divergence, q, p, chosen, DTYPES[dtype], grad=True)
            wanted = [leaf for side in leaves for leaf in side.values() if leaf.requires_grad]
            slopes = torch.autograd.grad(value.sum(), wanted, allow_unused=True)
        except Exception as error:
            if isinstance(error, (ValueError, NotImplementedError)) and chosen[0].kind == "boundary":
                return
            report.wrong_gradient = True
            report.gradients.append(
                _finding("gradient raises", dtype, chosen[0], f"{type(error).__name__}: {error}", math.inf)
            )
            return
    by_leaf = {id(leaf): slope for leaf, slope in zip(wanted, slopes, strict=True)}
    flat = [(side, name, leaf) for side, group_ in enumerate(leaves) for name, leaf in group_.items()]
    for row, case in enumerate(chosen):
        slots = _slots(q, p, case)
        with mp.workdps(digits(q, p)):
            truth = [_derivative(q, p, case, position, index, scale) for position, _, index, scale in slots]
            both = [(t, slot) for t, slot in zip(truth, slots, strict=True) if mp.isfinite(t)]  # inf: one side only
            size = max((abs(t) * s for t, (*_, s) in both), default=mp.mpf(0))
            info = torch.finfo(DTYPES[dtype])
            if not info.tiny / EPS[dtype] < size < info.max / 8 or case.reference > info.max / 8:
                continue  # beyond what the dtype can hold
            for want, (position, name, index, scale) in both:
                slope = by_leaf.get(id(flat[position][2]))
                got = 0.0 if slope is None else slope[(row, *index)].item()
                if math.isnan(got):
                    off = math.inf
                else:
                    off = float(abs(mp.mpf(got) - want) * scale / size) if size else float(got != 0)
                    off = _beyond_exponent(off, size, dtype)
                report.gradient[dtype] = max(report.gradient.get(dtype, 0.0), off / EPS[dtype])
                wrong = math.isnan(got) or (case.kind == "ordinary" and off > EPS[dtype] ** 0.5)
                report.wrong_gradient |= wrong
                if wrong or off > 8 * report.tolerance * EPS[dtype]:
                    what = f"gradient towards {'qp'[flat[position][0]]}.{name}"
                    report.gradients.append(_finding(what, dtype, case, got, off, want))


def _is_offered(divergence: Divergence, q: str, p: str) -> bool:
    """Whether one of a few ordinary cases is not refused as not implemented; cheap, without references."""
    for case in samples(q, p):
        try:
            with torch.no_grad():
                _call(divergence, q, p, [case], torch.float64)
        except NotImplementedError:
            continue
        except Exception:  # offered, and broken: the audit proper says how
            return True
        return True
    return False


def judge(divergence: Divergence, q: str, p: str, tolerance: float = TOLERANCE, times: int = 1) -> PairReport:
    """Everything about one pair, tried ``times`` as often; raises :class:`NotOffered` where the target has none."""
    if not _is_offered(divergence, q, p):
        raise NotOffered
    report = PairReport(q, p, tolerance=tolerance)
    for dtype, kind in DTYPES.items():
        group = cases(q, p, dtype, times)
        with mp.workdps(digits(q, p)):
            for case, got in zip(group, _values(divergence, q, p, group, kind), strict=True):
                _compare(report, dtype, case, got)
        report.cases += len(group)
        _gradients(report, divergence, _gradient_cases(group, times), dtype)
        for edge in [c for c in group if c.kind == "boundary" and mp.isfinite(c.reference)]:
            _gradients(report, divergence, [edge], dtype)
    return report
