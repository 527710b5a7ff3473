"""A whole VAE loss of (recon, x, mean, spread): reconstruction term plus KL, told apart without the source."""

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from elbo.checking import _sizes
from elbo.checking._beta import settle_beta
from elbo.checking._block import Fitted, scale
from elbo.checking._case import Case, evidence
from elbo.checking._kl_block import (
    fit_block,
    judge_floor,
    judge_range,
    judge_slips,
    judge_spread,
    kl_block,
    neutral,
    spread_of,
)
from elbo.checking._layout import Fixed, Layout, find_layouts, settle_reading
from elbo.checking._nll_block import ANY, bernoulli_edges, family, judge_distance, judge_nll_slips, nll_block
from elbo.checking._noisy import settle_noise
from elbo.checking._numerics import check_gradients, check_single
from elbo.checking._padding import judge_padding
from elbo.checking._reductions import output_axes
from elbo.checking._search import smallest
from elbo.checking._terms import predicted
from elbo.checking._weights import Weights, judge_weights
from elbo.checking.targets import Target
from elbo.checking.targets.gaussian_kl import judge_noise

ROLES = {"recon": "BP", "x": "BP", "mean": "BD", "spread": "BD"}
RIGHT = (
    "−log p(x given recon) + ½(μ² + σ² − log σ² − 1), each summed over its coordinates, both reduced alike "
    "over the batch"
)


def judge(case: Case) -> None:
    """Fill in the case."""
    case.contract = RIGHT
    base = _sizes.given(case.options.shapes, ROLES)
    found = find_layouts(case, base[0] if base else None)
    settle_reading(case, found[0][0].draw(case, found[0][1]))
    at, free = settle_noise(case, found[0][1], lambda s: found[0][0].draw(case, s))
    if case.undecided:
        return
    if not free:
        found = [(layout, at) for layout, _ in found]
    best: tuple[Layout, _sizes.Sizes, Fitted, Fitted] | None = None
    for layout, sizes in found:
        if not case.noisy:
            settle_reading(case, layout.draw(case, sizes))
        kl, nll = _terms(case, layout, sizes)
        if kl is None or nll is None:
            continue
        slips = len(kl.term.slips) + len(nll.term.slips)
        if best is None or slips < len(best[2].term.slips) + len(best[3].term.slips):
            best = (layout, sizes, kl, nll)
        if slips == 0:
            break
    if best is None:
        _unexplained(case, *found[0])
        return
    _judge_fitted(case, *best, free)
    judge_noise(case)


def _terms(case: Case, layout: Layout, sizes: _sizes.Sizes) -> tuple[Fitted | None, Fitted | None]:
    cache: dict[_sizes.Sizes, list[Tensor]] = {}

    def fixed(positions: tuple[int, ...]) -> "Fixed":
        return Fixed(case, layout, cache, positions)

    kl = fit_block(case, kl_block(layout.latent), sizes, fixed(layout.data))
    nll = fit_block(case, nll_block(ANY, layout.data), sizes, fixed(layout.latent))
    if kl is not None and nll is not None and not (kl.term.slips and len(kl.term.slips) > 3):
        settle_beta(case, kl, nll, fixed(layout.data), fixed(layout.latent))
        kl = fit_block(case, kl_block(layout.latent), sizes, fixed(layout.data)) or kl
        nll = fit_block(case, nll_block(ANY, layout.data), sizes, fixed(layout.latent)) or nll
    return kl, nll


def _judge_fitted(case: Case, layout: Layout, sizes: _sizes.Sizes, kl: Fitted, nll: Fitted, free: bool) -> None:
    subject = case.subject
    cache: dict[_sizes.Sizes, list[Tensor]] = {}
    with_data, with_latent = Fixed(case, layout, cache, layout.data), Fixed(case, layout, cache, layout.latent)
    if free:
        output_axes(case, subject.value(*layout.draw(case, sizes)), sizes, "BP")
    roles = [""] * 4
    for fitted, names in ((nll, ("recon", "x")), (kl, ("mean", "spread"))):
        for name, place in zip(names, fitted.term.order, strict=True):
            roles[fitted.block.positions[place]] = name
    symmetric = family(nll) != "Bernoulli" and "sigmoid" not in nll.term.form.adopted["likelihood"]
    case.adopted["arguments"] = ", ".join(roles)
    usual = ["recon", "x", "mean", "spread"]
    if roles != usual and not (
        symmetric and [r.replace("recon", "x") for r in roles] == [r.replace("recon", "x") for r in usual]
    ):
        case.find("argument-order", f"the arguments are read as {case.adopted['arguments']}")
    case.adopted["likelihood"] = nll.term.form.adopted["likelihood"]
    scale(case, kl, with_data)
    scale(case, nll, with_latent)
    floor = not kl.term.slips and judge_floor(case, kl, with_data)
    judge_slips(case, kl, RIGHT.split(" + ", 1)[1].split(",")[0])
    judge_nll_slips(case, nll)
    judge_spread(case, kl, subject.names[kl.block.positions[kl.term.order[1]]])
    weights = judge_weights(case, kl, nll)
    judge_padding(case, layout.draw(case, sizes), layout.data)
    judge_distance(case, nll, functools.partial(_at_distance, case, layout, layout.draw(case, sizes)))
    if not floor:
        _judge_constant(case, kl, nll, with_data, with_latent)
        _range_and_points(case, layout, sizes, kl, nll, with_data)
    case.not_seen(
        "evaluation-time behaviour and relaxed samples: a loss over (recon, x, mean, spread) does not show them"
    )
    if case.wrong:
        _counterexample(case, sizes, kl, nll, weights)


def _at_distance(case: Case, layout: Layout, tensors: Sequence[Tensor], distance: float) -> float:
    zero = torch.zeros_like(tensors[layout.data[0]])
    data = dict(zip(layout.data, (zero, zero + distance), strict=True))
    return case.subject.total(*[data.get(i, t) for i, t in enumerate(tensors)])


def _base(kl: Fitted, nll: Fitted, tensors: Sequence[Tensor]) -> float:
    parts = ((kl, [tensors[i] for i in kl.block.positions]), (nll, [tensors[i] for i in nll.block.positions]))
    return sum(float(predicted(fitted.term, ts)) for fitted, ts in parts)


def _judge_constant(case: Case, kl: Fitted, nll: Fitted, with_data: Fixed, with_latent: Fixed) -> None:
    """What is left when both terms are taken away: the same everywhere, and made of the two constants or nothing."""
    sizes = kl.sizes
    rests, values = [], []
    for _ in range(4):
        tensors = with_data.layout.draw(case, sizes)
        values.append(case.subject.total(*tensors))
        rests.append(values[-1] - _base(kl, nll, tensors))
    spread = max(rests) - min(rests)
    scale_ = max(abs(v) for v in values)
    if spread > 5e-3 * scale_:
        case.find(
            "algebra-slip",
            "the value is not a sum of a reconstruction term and a KL: the two terms influence each other",
            evidence=evidence(max(rests), min(rests), "value minus both terms, which must be constant"),
        )
        return
    if kl.term.slips or nll.term.slips or "loose" in (kl.quality, nll.quality):
        return
    k_part = kl.term.weight * -0.5 * sizes.B * sizes.D
    form = nll.term.form
    r_each = form.constant
    r_part = nll.term.weight * r_each * sizes.B * sizes.P
    options: dict[str, float] = {"included": k_part + r_part}
    weight, own = abs(nll.term.weight), sizes.B * sizes.P
    unit = abs(kl.term.weight)
    if r_each and weight:
        ratio = weight / unit if unit else 1.0
        log_part = (-0.5 if family(nll) == "Gaussian" else -1.0) * math.log(ratio)
        sign = math.copysign(1.0, nll.term.weight)
        options["included "] = k_part + sign * unit * (r_each + log_part) * own
    dropped = {"of the likelihood": k_part, "−½ of the KL": r_part, "of both terms": 0.0}
    tolerance = 1e-4 * max(abs(k_part), abs(r_part), 1e-9) + 1e-9 * scale_
    rest = sum(rests) / len(rests)
    if any(abs(rest - v) < tolerance for v in options.values()):
        case.adopted["constant"] = "included"
        return
    for words, value in dropped.items():
        if abs(rest - value) < tolerance:
            case.adopted["constant"] = f"dropped ({words})"
            case.find("constant-dropped", f"the additive constant {words} is missing; gradients are exact")
            return
    case.adopted["constant"] = "another one"
    case.find(
        "constant-wrong",
        "the additive constant is neither that of the two terms nor missing",
        evidence=evidence(rest, options["included"], f"(B, D, P) = ({sizes.B}, {sizes.D}, {sizes.P})"),
        fix="write −½ once for each latent dimension and ½ log 2π once for each pixel",
    )


def _range_and_points(
    case: Case, layout: Layout, sizes: _sizes.Sizes, kl: Fitted, nll: Fitted, with_data: Fixed
) -> None:
    tensors = layout.draw(case, sizes)
    rest = case.subject.total(*tensors) - _base(kl, nll, tensors)
    given = with_data(sizes)
    data = [given[i] for i in nll.block.positions]
    intercept = rest + float(predicted(nll.term, data))
    judge_range(case, kl, intercept, with_data)
    spread = spread_of(kl)
    mean_at, spread_at = (kl.block.positions[i] for i in kl.term.order)
    recon_at, x_at = (nll.block.positions[i] for i in nll.term.order)
    shape = sizes.shape("BD")
    tensors[mean_at] = case.two_sided(shape)
    tensors[spread_at] = case.uniform(shape, 0.4, 2.0) if spread.positive else case.two_sided(shape)
    names = ["", "", "", ""]
    names[mean_at], names[spread_at], names[recon_at] = "mean", "spread", "recon"

    def formula(ts: Sequence[Tensor]) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for fitted in (kl, nll):
            total = total + predicted(fitted.term, [ts[i] for i in fitted.block.positions])
        return total

    check_gradients(case, tensors, formula, names)
    near = list(tensors)
    if family(nll) != "Bernoulli":
        near[recon_at] = near[x_at] + 0.001 * case.normal(near[x_at].shape)
        near[mean_at], near[spread_at] = 0.05 * near[mean_at], torch.full(shape, neutral(kl) + 0.02)
    check_single(case, [("ordinary values", tensors), ("a good reconstruction", near)])
    if family(nll) == "Bernoulli" and nll.block.positions == (0, 1) and kl.block.positions == (2, 3):
        bernoulli_edges(case, nll, sizes.shape("BP"), [tensors[2], tensors[3]])
    if family(nll) == "Bernoulli":
        case.find(
            "not-normalised", "a log-likelihood for binary x only; for grey values between 0 and 1 it is not a density"
        )


def _counterexample(case: Case, sizes: _sizes.Sizes, kl: Fitted, nll: Fitted, weights: Weights) -> None:
    from elbo.checking._spreads import BY_KEYWORD

    spread = BY_KEYWORD[case.options.spread] if case.options.spread else spread_of(kl)
    form = nll.term.form
    positions = [nll.block.positions[i] for i in nll.term.order] + [kl.block.positions[i] for i in kl.term.order]
    dropped = str(case.adopted.get("constant", "")).startswith("dropped")

    def expected(roles: Sequence[Tensor]) -> float:
        recon, x, mean, s = roles
        value = (
            sum(float(r) * a.of(recon, x).sum() for r, a in zip(form.right, form.atoms, strict=True)) / weights.variance
        )
        value = float(value) + (0.0 if dropped else form.constant * recon.numel())
        value += float(0.5 * (mean**2 + spread.variance(s) - spread.log_variance(s) - 1).sum())
        return weights.overall * value * (1.0 if weights.batch == 0 else 1 / mean.shape[0])

    def yours(roles: Sequence[Tensor]) -> float:
        return case.subject.total(*[roles[positions.index(i)] for i in range(4)])

    unit = {"recon": True, "x": False} if family(nll) == "Bernoulli" else None
    smallest(case, ROLES, {"spread": spread.positive}, sizes, yours, expected, unit)


def _unexplained(case: Case, layout: Layout, sizes: _sizes.Sizes) -> None:
    tensors = layout.draw(case, sizes)
    yours = case.subject.total(*tensors)
    if not math.isfinite(yours):
        case.find(
            "not-finite",
            "the value is not finite at ordinary inputs",
            evidence=evidence(yours, math.nan, "one random input"),
        )
        return
    touched = []
    for positions, words in ((layout.data, "(recon, x)"), (layout.latent, "(mean, spread)")):
        moved = [t * 0.8 + 0.1 if i in positions else t for i, t in enumerate(tensors)]
        if abs(case.subject.total(*moved) - yours) < 1e-12 * max(abs(yours), 1.0):
            touched.append(words)
    if touched == ["(mean, spread)"]:
        case.find(
            "effective-beta",
            "the value does not depend on (mean, spread): there is no KL, β = 0",
            effect="an autoencoder without a prior: the posterior collapses to a point",
            evidence={"yours": 0.0, "expected": 1.0, "where": "weight of the KL"},
        )
        return
    if case.noisy:
        case.find(
            "biased-estimator", "its exact expectation over the noise is no likelihood plus KL in any parametrisation"
        )
        return
    text = (
        f"the value does not depend on {' and '.join(touched)}"
        if touched
        else "no likelihood plus KL explains the value"
    )
    case.find("algebra-slip", text, evidence=evidence(yours, math.nan, "one random input"))
    case.maybe("algebra-slip", "wrong-axis")


TARGETS = {"negative_elbo": Target("negative_elbo", "a whole VAE loss", ROLES, judge)}
