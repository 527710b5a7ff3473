"""Total correlation (or MI, TC and dimension-wise KL) of the aggregated posterior from (z, mean, spread, n_data)."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from elbo.bounds import stratified_log_weights
from elbo.checking._case import Case, evidence
from elbo.checking._catalogue import Match, match
from elbo.checking._fit import close, number
from elbo.checking._spreads import BY_KEYWORD, USUAL, Spread, promised
from elbo.checking._subject import as_tensor
from elbo.checking.targets import Target

ROLES = {"z": "BD", "mean": "BD", "spread": "BD", "n_data": ""}
RIGHT = (
    "log q̂(z) − Σ_j log q̂(z_j), with stratified weights: 1/N on the own sample, (N−M)/(NM) on one other, "
    "1/M on the rest"
)
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
SHAPES = ((5, 3, 29), (4, 2, 31))
N_DRAWS = 7


def pairwise(z: Tensor, mean: Tensor, spread: Tensor, p: Spread) -> Tensor:
    """log q(z_id | n_j) as [i, j, d]."""
    v, lv = p.variance(spread)[None], p.log_variance(spread)[None]
    return -0.5 * ((z[:, None] - mean[None]) ** 2 / v + lv) - HALF_LOG_2PI


def weightings(batch: int, n: int) -> Iterator[tuple[str, Tensor]]:
    """(name, log weights [i, j]) of every weighting that people write."""
    m = batch - 1
    rows = torch.arange(batch)
    yield "stratified", stratified_log_weights(batch, n)
    for shift in range(1, batch):
        w = torch.full((batch, batch), 1 / m, dtype=torch.float64)
        w[rows, rows] = 1 / n
        w[rows, (rows + shift) % batch] = (n - m) / (n * m)
        yield f"stratified (other sample {shift} further)", w.log()
    yield "minibatch", torch.full((batch, batch), -math.log(n * batch), dtype=torch.float64)
    for corner in (m, m - 1, None):
        w = torch.full((batch, batch), 1 / m, dtype=torch.float64)
        w[:, 0], w[:, 1] = 1 / n, (n - m) / (n * m)
        if corner is not None:
            w[corner, 0] = (n - m) / (n * m)
        yield f"column (corner {corner})", w.log()
    w = torch.full((batch, batch), 1 / m, dtype=torch.float64)
    w[:, 0] = 1 / n
    yield "column (first only)", w.log()
    yield "none", torch.zeros(batch, batch, dtype=torch.float64)
    yield "1/M", torch.full((batch, batch), -math.log(batch), dtype=torch.float64)
    yield "1/N", torch.full((batch, batch), -math.log(n), dtype=torch.float64)


def quantities(each: Tensor, log_w: Tensor, z: Tensor) -> dict[str, Tensor]:
    """Every quantity with these weights, one value summed over the batch."""
    joint, product = torch.logsumexp(each.sum(-1) + log_w, 1), torch.logsumexp(each + log_w[..., None], 1).sum(-1)
    counted = torch.logsumexp((each + log_w[..., None]).sum(-1), 1)
    own = torch.diagonal(each.sum(-1))
    prior = (-0.5 * z**2 - HALF_LOG_2PI).sum(1)
    over_joint, over_product = (
        torch.logsumexp(each.sum(-1) + log_w, 0),
        torch.logsumexp(each + log_w[..., None], 0).sum(-1),
    )
    found = {
        "tc": joint - product,
        "tc, weight counted in each dimension": counted - product,
        "mi": own - joint,
        "mi, weight counted in each dimension": own - counted,
        "dimension-wise KL": product - prior,
        "log q(z) − log p(z)": joint - prior,
        "log q(z|x) − Σ log q(z_j)": own - product,
        "tc over the samples": over_joint - over_product,
        "mean of logs": each.sum(-1).mean(1) - product,
    }
    return {name: value.sum() for name, value in found.items()}


def judge(case: Case) -> None:
    """Fill in the case."""
    case.contract = RIGHT
    b, d, n = SHAPES[0]
    n = case.options.n_data or n
    parts = _parts(case, b, d, n)
    readings = [BY_KEYWORD[case.options.spread]] if case.options.spread else list(USUAL)
    named = promised(case.subject.names[2]) if len(case.subject.names) > 2 else None
    readings.sort(key=lambda p: p is not named)
    fits = {name: _recognise(case, index, b, d, n, readings) for name, index in parts}
    asked = BY_KEYWORD.get(case.options.spread or "")
    if asked and not any(fits.values()):
        fits = {name: _recognise(case, index, b, d, n, [p for p in USUAL if p is not asked]) for name, index in parts}
        if any(fits.values()):
            other = next(f for f in fits.values() if f)[1]
            case.find(
                "spread-misread",
                f"exact for {other.name}, and spread={asked.keyword!r} says {asked.name}",
                evidence={
                    "yours": other.name,
                    "expected": asked.name,
                    "where": "the parametrisation for which the value is exact",
                },
            )
    wanted = ["tc"] if len(parts) == 1 else ["mi", "tc", "dimension-wise KL"]
    for (name, _), want in zip(parts, wanted, strict=False):
        _judge_part(case, name, want, fits[name], b, d, n)
    if case.options.spread is None and any(fits.values()):
        p = next(f for f in fits.values() if f)[1]
        case.adopted["spread"] = p.name
        if named is not None and named is not p:
            case.find(
                "name-contradicts-maths", f"the third argument promises {named.name}; the value is exact for {p.name}"
            )
    if not case.wrong:
        case.not_seen(
            "the bias of log q̂: any minibatch estimate of TC is biased by Jensen's inequality, however it is weighted"
        )


def _parts(case: Case, b: int, d: int, n: int) -> list[tuple[str, int | None]]:
    out = case.subject.raw(case.normal((b, d)), case.normal((b, d)), case.uniform((b, d), 0.4, 1.5), n)  # type: ignore[arg-type]
    if isinstance(out, list | tuple) and len(out) == 3:
        case.adopted["read"] = "the triple (MI, TC, dimension-wise KL)"
        return [("mutual information", 0), ("total correlation", 1), ("dimension-wise KL", 2)]
    as_tensor(case.subject.read(out) if case.subject.read else case.subject._read(out), case.subject.name)
    case.adopted["read"] = case.subject.reading
    return [("total correlation", None)]


def _value(case: Case, index: int | None, *arguments: object) -> float:
    out = case.subject.raw(*arguments)  # type: ignore[arg-type]
    part = out[index] if index is not None else case.subject._read(out)
    return float(as_tensor(part, case.subject.name).detach().double().sum())


def _recognise(
    case: Case, index: int | None, b: int, d: int, n: int, readings: list[Spread]
) -> tuple[Match, Spread, str] | None:
    points = [(case.normal((b, d)), case.normal((b, d)), case.uniform((b, d), 0.4, 1.5)) for _ in range(N_DRAWS)]
    values = [_value(case, index, *p, n) for p in points]
    best: tuple[Match, Spread, str] | None = None
    for p in readings:
        each = [pairwise(z, m, s, p) for z, m, s in points]
        for name, log_w in weightings(b, n):
            columns: dict[str, list[float]] = {}
            for e, (z, _, _) in zip(each, points, strict=True):
                for quantity, value in quantities(e, log_w, z).items():
                    if "counted" in quantity and float(log_w.max() - log_w.min()) == 0.0:
                        continue  # the constant cancels: the same value as without any
                    columns.setdefault(quantity, []).append(float(value))
            for found in match(values, columns, 1e-7):
                exact = abs(found.offset) < 1e-6 and (
                    close(abs(found.factor), 1 / b, 1e-6) or close(abs(found.factor), 1.0, 1e-6)
                )
                if exact:
                    return found, p, name
                best = best or (found, p, name)
    return best


def _judge_part(
    case: Case, words: str, want: str, fit: tuple[Match, Spread, str] | None, b: int, d: int, n: int
) -> None:
    if fit is None:
        _unexplained(case, words, b, d, n)
        return
    found, _, weighting = fit
    case.adopted[words] = f"{found.name}, weights {weighting}"
    case.computes = case.computes or f"{number(found.factor)} × {found.name} with weights {weighting}"
    quantity, counted = found.name.split(",")[0], "counted" in found.name
    if quantity == "tc over the samples":
        case.find(
            "wrong-axis",
            "the logsumexp runs over the samples z_i and not over the data n_j",
            fix="torch.logsumexp(log_q, dim=1)",
        )
        case.maybe("wrong-axis", "wrong-sample-axis", "not-total-correlation")
        return
    if quantity != want:
        case.find(
            "not-total-correlation",
            f"what should be the {words} is {quantity}",
            evidence={"yours": quantity, "expected": want, "where": "values at random inputs, exact to 1e-7"},
        )
        return
    if found.factor < 0:
        case.find(
            "sign-flipped",
            f"the {words} has the wrong sign",
            evidence=evidence(found.factor, abs(found.factor), "factor"),
        )
    if counted:
        case.find(
            "weight-counted-per-dimension", f"in the {words} the log weight is added once for each of the D dimensions"
        )
    if weighting.startswith("column"):
        case.find(
            "stratified-weights-off-diagonal",
            f"in the {words} the weight 1/N stands in the first column of W and not on its diagonal",
            evidence={"yours": "W[:, 0] = 1/N", "expected": "W[i, i] = 1/N", "where": f"batch {b}, N = {n}"},
        )
    elif weighting in ("none", "1/M", "1/N") or abs(found.offset) > 1e-6:
        _dropped(case, words, weighting, found, b, d, n)
    if weighting == "minibatch":
        case.not_seen(
            "minibatch weighting 1/(NM) counts the own sample as any other: its log q̂ is low by log N at full batch"
        )


def _dropped(case: Case, words: str, weighting: str, found: Match, b: int, d: int, n: int) -> None:
    case.find(
        "minibatch-constant-dropped",
        f"in the {words} log q̂ is normalised by {'nothing' if weighting == 'none' else weighting} and not by 1/(NM): "
        f"the total correlation is off by (D−1) times a constant, {number((d - 1) * math.log(n * b))} at D = "
        f"{d}, N = {n}, M = {b} without any",
        evidence=evidence(found.offset, 0.0, "constant left over with the weights " + weighting),
    )


def _unexplained(case: Case, words: str, b: int, d: int, n: int) -> None:
    """Read the own-sample weight off well-separated posteriors."""
    mean = 1e3 * torch.arange(b, dtype=torch.float64)[:, None].expand(b, d).clone()
    value = float("nan")
    if words == "total correlation":
        index = None if "triple" not in str(case.adopted.get("read")) else 1
        value = _value(case, index, mean, mean, torch.ones(b, d, dtype=torch.float64), n)
    exact = (d - 1) * math.log(n)
    case.find(
        "not-total-correlation",
        f"the {words} is log q̂(z) − Σ_j log q̂(z_j) for no weighting and no parametrisation",
        evidence=evidence(value, exact, "well-separated posteriors, mean over the batch: (D−1) log N"),
    )
    case.maybe("not-total-correlation", "algebra-slip")


TARGETS = {
    "total_correlation": Target("total_correlation", "TC, or the (MI, TC, dimension-wise KL) triple", ROLES, judge)
}
