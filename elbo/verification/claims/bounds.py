"""What is asserted about bounds and objectives."""

from collections.abc import Iterator
from typing import Any

from elbo.verification import Claim, Context, Outcome


def claims() -> Iterator[Claim]:
    """Bounds and objectives."""
    yield Claim(
        "bounds.elbo.forms",
        "E log w = E log p(x|z) - KL[q ‖ p(z)] = E log p(x, z) + H[q] = the closed form",
        "quadrature",
        _forms,
        source="Kingma and Welling 2014, arXiv:1312.6114",
    )
    yield Claim(
        "bounds.iwae.expectation",
        "E log (1/K) Σ w_k over all K-tuples = L_K by the transform",
        "enumeration",
        _iwae,
        source="Burda et al. 2016, arXiv:1509.00519",
    )
    yield Claim(
        "bounds.renyi.monotone",
        "log((1/K) Σ w^(1-α))/(1-α) falls with α on every sample; ELBO at α = 1, IWAE at α = 0",
        "enumeration",
        _renyi,
        source="Li and Turner 2016, arXiv:1602.02311",
    )
    yield Claim(
        "bounds.cubo.estimate",
        "the K-sample estimate of CUBO starts at the ELBO and is no upper bound on log p(x)",
        "enumeration",
        _cubo,
        source="Dieng et al. 2017, arXiv:1611.00328",
    )
    yield Claim(
        "bounds.jackknife.expectation",
        "E of the jackknife over all K-tuples = Σ_j c_j L_(K-j)",
        "enumeration",
        _jackknife,
        source="Nowozin 2018",
    )
    yield Claim("bounds.free_bits", "E log p(x|z) - Σ max(λ, KL_j) ≤ ELBO", "enumeration", _free_bits)
    yield Claim(
        "bounds.aggregate.stratified",
        "stratified minibatch weights: E q̂(z) = q(z), while E log q̂ < E log q",
        "enumeration",
        _stratified,
        source="Chen et al. 2018, arXiv:1802.04942, appendix C",
    )
    yield Claim(
        "bounds.aggregate.weighted",
        "minibatch weighted sampling at full batch is low by log N exactly",
        "enumeration",
        _weighted,
        source="Chen et al. 2018, arXiv:1802.04942",
    )
    yield Claim(
        "bounds.vector_quantisation",
        "the commitment term moves the encoder by 2β(z - e), the other the code by 2(e - z)",
        "enumeration",
        _quantised,
        source="van den Oord et al. 2017, arXiv:1711.00937",
    )
    yield Claim(
        "bounds.mmd.unbiased",
        "the U-statistic has expectation MMD² of two Gaussians (closed form)",
        "quadrature",
        _mmd,
        source="Gretton et al. 2012",
    )


def _double(value: Any) -> Any:
    import torch

    return torch.tensor(value, dtype=torch.float64)


def _tuples(k: int) -> tuple[Any, Any, Any, Any]:
    """log w of three states, their law, all K-tuples of log w, and their probabilities."""
    from itertools import product

    import torch

    joint, q = _double([0.18, 0.05, 0.12]), _double([0.3, 0.3, 0.4])
    log_w = (joint / q).log()
    index = torch.tensor(list(product(range(3), repeat=k)))
    return log_w, q, log_w[index], q[index].prod(-1)


def _forms(context: Context) -> Outcome:
    from torch.distributions import Normal, kl_divergence

    from elbo import bounds
    from elbo.noise import StandardNormal
    from elbo.problems import LinearGaussian

    problem, x, q = LinearGaussian(_double(1.3), 0.2, 0.5), _double(0.7), Normal(_double(0.4), _double(0.8))
    e, weights = StandardNormal().nodes(8)
    z = q.loc + q.scale * e
    truth = problem.elbo(x, q)
    likelihood, joint = problem.likelihood(z).log_prob(x), problem.log_joint(x, z)
    forms = [
        bounds.elbo((joint - q.log_prob(z))[:, None]),
        bounds.elbo_analytic_kl(likelihood, kl_divergence(q, problem.prior)),
        bounds.elbo_entropy(joint, q.entropy()),
        -bounds.negative_elbo(likelihood, kl_divergence(q, problem.prior)),
    ]
    return Outcome.within(max(abs(float(weights @ f - truth)) for f in forms), 1e-13, "linear Gaussian, 8 nodes")


def _iwae(context: Context) -> Outcome:
    from elbo import bounds, exact

    worst = 0.0
    for k in (1, 2, 3, 6):
        log_w, q, draws, weights = _tuples(k)
        truth = exact.iwae_from_weights(log_w, q, k).value
        worst = max(worst, abs(float(weights @ bounds.iwae(draws) - truth)))
    return Outcome.within(worst, 1e-13, "three states, K = 1, 2, 3, 6")


def _renyi(context: Context) -> Outcome:
    from itertools import pairwise

    from elbo import bounds

    _, _, draws, _ = _tuples(4)
    alphas = [-2.0, -1.0, 0.0, 0.5, 1.0, 1.5, 3.0]
    values = [bounds.renyi(draws, a) for a in alphas]
    rise = max(float((b - a).max()) for a, b in pairwise(values))
    meets = float((values[2] - bounds.iwae(draws)).abs().max()) + float((values[4] - bounds.elbo(draws)).abs().max())
    return Outcome.within(max(rise, meets), 1e-13, "81 samples of K = 4")


def _cubo(context: Context) -> Outcome:
    from elbo import bounds

    log_w, q, draws, weights = _tuples(5)
    start = float(q @ bounds.cubo(log_w[:, None]) - q @ log_w)
    evidence = float((log_w.exp() * q).sum().log())
    singly = float(q @ bounds.cubo(log_w[:, None]))
    limit = 0.5 * float((q * log_w.exp() ** 2).sum().log())
    between = float(weights @ bounds.cubo(draws))
    holds = abs(start) < 1e-14 and singly < evidence < limit and singly < between < limit
    return Outcome.holds(holds, f"E at K = 1: {singly:.5f} < log p(x) = {evidence:.5f} < CUBO₂ = {limit:.5f}")


def _jackknife(context: Context) -> Outcome:
    from elbo import bounds, exact

    worst = 0.0
    for k, order in ((3, 1), (5, 2), (5, 3)):
        log_w, q, draws, weights = _tuples(k)
        c = exact.jackknife_weights(k, order)
        truth = sum(c[j] * float(exact.iwae_from_weights(log_w, q, k - j).value) for j in range(order + 1))
        worst = max(worst, abs(float(weights @ bounds.jackknife(draws, order)) - truth))
    return Outcome.within(worst, 1e-11, "K = 3, 5 and orders 1 to 3")


def _free_bits(context: Context) -> Outcome:
    import torch

    from elbo import bounds

    draw = context.generator("kl")
    kl = torch.rand(200, 5, generator=draw, dtype=torch.float64)
    fit = torch.zeros(200, dtype=torch.float64)
    excess = bounds.free_bits(fit, kl, 0.4) - bounds.elbo_analytic_kl(fit, kl.sum(-1))
    return Outcome.within(float(excess.max()), 0.0, "200 random divergences")


def _aggregate(batch: int) -> Iterator[tuple[Any, Any, Any]]:
    """For each ordered batch: log q(z | n) of its data at nodes of z of the first, the weights, and log q(z)."""
    from itertools import permutations
    from math import log

    import torch
    from torch.distributions import Normal

    means, stds = _double([-1.0, 0.3, 1.5, 2.0]), _double([0.6, 0.9, 0.5, 0.8])
    e = torch.linspace(-9.0, 9.0, 361, dtype=torch.float64)
    weights = torch.softmax(-0.5 * e**2, 0)
    for order in permutations(range(4), batch):
        z = means[order[0]] + stds[order[0]] * e
        every = Normal(means, stds).log_prob(z[:, None])
        yield every[:, list(order)], weights, torch.logsumexp(every, 1) - log(4)


def _stratified(context: Context) -> Outcome:
    import torch

    from elbo.bounds import stratified_log_weights

    ratio, bias, count = 0.0, 0.0, 0
    for log_q, weights, truth in _aggregate(3):
        estimate = torch.logsumexp(log_q + stratified_log_weights(3, 4)[0], 1)
        ratio += float(weights @ torch.exp(estimate - truth))
        bias += float(weights @ (estimate - truth))
        count += 1
    low = bias / count
    return Outcome.within(abs(ratio / count - 1) if low < 0 else float("nan"), 1e-11, f"E log q̂ is low by {-low:.4f}")


def _weighted(context: Context) -> Outcome:
    from math import log

    import torch

    from elbo.bounds import aggregate_log_density

    draw = context.generator("log q")
    log_q = torch.randn(6, 6, 2, generator=draw, dtype=torch.float64)
    exact, _ = aggregate_log_density(log_q, 6, "exact")
    mws, _ = aggregate_log_density(log_q, 6, "mws")
    return Outcome.within(float((mws - exact + log(6)).abs().max()), 1e-13, "N = 6, two coordinates")


def _quantised(context: Context) -> Outcome:
    import torch

    from elbo import bounds

    z = _double([[1.5, -0.5], [0.2, 0.1]]).requires_grad_()
    codebook = _double([[1.0, -1.0], [0.0, 0.0]]).requires_grad_()
    code, _ = bounds.quantise(z, codebook)
    loss = bounds.negative_vq(z, code, 0.25).sum()
    encoder, codes = torch.autograd.grad(loss, (z, codebook))
    residual = (encoder - 0.5 * (z - code)).abs().max() + (codes - 2 * (code - z)).abs().max()
    return Outcome.within(residual.item(), 1e-15, "two vectors, two codes")


def _mmd(context: Context) -> Outcome:
    import torch

    from elbo import bounds
    from elbo.noise import StandardNormal

    e, weights = StandardNormal((2,)).nodes(40)
    h = 1.5

    def kernel(a: Any, b: Any) -> Any:
        # the statistic on two draws of each is ½ Σ of such terms; here each pair is drawn by itself
        pairs = torch.stack([a, b], -1)[..., None]
        return torch.stack([1.0 - 0.5 * bounds.mmd(p[:1], p[1:], h, "biased") for p in pairs])

    keep = weights > 1e-13
    e, weights = e[keep], weights[keep]
    x, y = 0.3 + 1.2 * e, -0.5 + 0.7 * e
    mixed = kernel(0.3 + 1.2 * e[:, 0], -0.5 + 0.7 * e[:, 1])
    got = weights @ (kernel(x[:, 0], x[:, 1]) + kernel(y[:, 0], y[:, 1]) - 2 * mixed)
    m, v, n, u = (_double([number]) for number in (0.3, 1.44, -0.5, 0.49))
    truth = bounds.mmd_diagonal_gaussians(m, v, n, u, bandwidth=h)
    return Outcome.within(abs(float(got - truth)), 1e-9, "40 nodes an axis")
