"""What is asserted about gradient estimators: exact bias and variance, slopes, faults, and draws."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from elbo.verification import Claim, Context, Outcome, Witness

GAUSSIAN = {
    "pathwise": "the pathwise gradient",
    "pathwise_analytic_kl": "the pathwise gradient with the divergence in closed form",
    "sticking_the_landing": "sticking the landing",
    "score_function": "the score function",
    "score_function_optimal_baseline": "the score function with the optimal baseline",
    "leave_one_out": "the leave-one-out score function, two draws,",
    "iwae": "the total gradient of the IWAE bound, K = 8,",
    "dreg": "the doubly reparameterised gradient, K = 8,",
}
DISCRETE = {name: GAUSSIAN[name] for name in ("score_function", "score_function_optimal_baseline", "leave_one_out")} | {
    "arm": "ARM",
    "disarm": "DisARM",
    "measure_valued": "the measure-valued gradient",
}
CATEGORICAL = {
    "vimco": "VIMCO, K = 3,",
    "top_k": "the top-2 sum and one draw of the rest",
    "unordered_set": "the unordered set of two states",
}
DRAWN = ("pathwise", "iwae", "dreg")


def claims() -> Iterator[Claim]:
    """Gradient estimators."""
    for name, words in GAUSSIAN.items():
        several = name in ("iwae", "dreg")
        witness: Witness = "transform" if several else "quadrature"
        statement = f"{words} has mean ∇ {'L_8' if several else 'ELBO'}, three models"
        yield Claim(f"gradients.unbiased.{name}", statement, witness, partial(_unbiased, name))
    for name, words in DISCRETE.items():
        statement = f"{words} has mean ∇ ELBO, one and two Bernoulli latents"
        yield Claim(f"gradients.unbiased.discrete.{name}", statement, "enumeration", partial(_discrete, name))
    for name, words in CATEGORICAL.items():
        statement = f"{words} has mean ∇ {'L_3' if name == 'vimco' else 'ELBO'}, four states"
        yield Claim(f"gradients.unbiased.categorical.{name}", statement, "enumeration", partial(_categorical, name))
    yield Claim(
        "gradients.straight_through",
        "bias of straight-through: θ(1-θ)(E f'(b) - f(1) + f(0)); of Gumbel-softmax: τ θ(1-θ)(2θ-1) ∫f' logit + O(τ²)",
        "quadrature",
        _straight_through,
        source="Bengio et al. 2013, arXiv:1308.3432; Jang et al. 2017, arXiv:1611.01144",
    )
    yield Claim(
        "gradients.variance.table",
        "score function and pathwise variances of (z-k)², N(μ, s²): d⁴/s² + 14d² + 15s² and 4s²; 2d⁴/s² + 60d² + 74s²",
        "quadrature",
        _quadratic,
        source="Mohamed et al. 2020, arXiv:1906.10652",
    )
    yield Claim(
        "gradients.sticking_the_landing",
        "zero variance at q = p(z|x); above the total gradient's iff the variance of q is below half the posterior's",
        "quadrature",
        _sticking,
        source="Roeder et al. 2017, arXiv:1703.09194",
    )
    for family, slope in (("IwaeGradient", -0.5), ("Dreg", 0.5)):
        yield Claim(
            f"gradients.signal_to_noise.{family}",
            f"signal-to-noise of {family} for q goes like K^{slope}",
            "transform",
            partial(_slope, family, slope),
            source="Rainforth et al. 2018, arXiv:1802.04537; Tucker et al. 2019, arXiv:1810.04152",
        )
    yield Claim(
        "gradients.signal_to_noise.model",
        "signal-to-noise of the IWAE gradient for the model goes like K^0.5",
        "transform",
        _model_slope,
        source="Rainforth et al. 2018, arXiv:1802.04537",
    )
    yield Claim(
        "gradients.disarm.closed_form",
        "DisARM, one coin: variance Δ²θ(1-θ)(½max(θ,1-θ) - θ(1-θ)), at most ARM's and leave-one-out's",
        "enumeration",
        _disarm,
        source="Dong et al. 2020, arXiv:2006.10680",
    )
    yield Claim(
        "gradients.faults",
        "weights not squared, a dropped stop-gradient, a baseline that sees its own sample: each is found biased",
        "transform",
        _faults,
    )
    for name in DRAWN:
        yield Claim(
            f"gradients.draws.{name}",
            f"20 000 draws of {GAUSSIAN[name]} agree with its certificate",
            "draws",
            partial(_draws, name),
            stochastic=True,
        )


def _double(value: Any) -> Any:
    import torch

    return torch.tensor(value, dtype=torch.float64)


def _make(name: str) -> Any:
    from elbo import gradients as g

    return {
        "pathwise": lambda: g.Pathwise(),
        "pathwise_analytic_kl": lambda: g.Pathwise(analytic_kl=True),
        "sticking_the_landing": lambda: g.StickingTheLanding(),
        "score_function": lambda: g.ScoreFunction(),
        "score_function_optimal_baseline": lambda: g.ScoreFunction(1, "optimal"),
        "leave_one_out": lambda: g.Rloo(2),
        "iwae": lambda: g.IwaeGradient(8),
        "dreg": lambda: g.Dreg(8),
        "arm": lambda: g.Arm(),
        "disarm": lambda: g.DisArm(),
        "measure_valued": lambda: g.MeasureValued(),
        "vimco": lambda: g.Vimco(3),
        "top_k": lambda: g.TopK(2),
        "unordered_set": lambda: g.UnorderedSet(2),
    }[name]()


def _z1() -> tuple[Any, Any, Any]:
    from torch.distributions import Normal

    from elbo.problems import LinearGaussian

    return LinearGaussian(_double(1.0)), _double(1.0), Normal(_double(0.8), _double(2 / 3).sqrt())


def _unbiased(name: str, context: Context) -> Outcome:
    from torch.distributions import Normal

    from elbo.exact import certify
    from elbo.problems import PoissonLogNormal, SquareDecoder

    models = [
        _z1(),
        (SquareDecoder(_double(1.2)), _double(0.9), Normal(_double(0.5), _double(0.5))),
        (PoissonLogNormal(), _double(2.0), Normal(_double(0.3), _double(0.6))),
    ]
    found = [certify(_make(name), *model) for model in models]
    spread = ", ".join(f"{float(c.variance['mean']):.4g}" for c in found)
    return Outcome.within(max(c.largest_bias for c in found), 1e-9, f"variances for the mean of q: {spread}")


def _discrete(name: str, context: Context) -> Outcome:
    from torch.distributions import Bernoulli, Independent

    from elbo.exact import certify
    from elbo.problems import BernoulliLatents

    worst = 0.0
    for logits in ([0.3, -1.2], [0.7], [-2.0]):
        n = len(logits)
        problem = BernoulliLatents(_double([1.0, -0.7][:n]), _double([0.3, 0.6][:n]), _double(0.8))
        found = certify(_make(name), problem, _double(0.6), Independent(Bernoulli(logits=_double(logits)), 1))
        worst = max(worst, found.largest_bias)
    return Outcome.within(worst, 1e-12, "largest bias over three settings")


def _categorical(name: str, context: Context) -> Outcome:
    from torch import tensor
    from torch.distributions import Categorical

    from elbo.exact import certify
    from elbo.problems import Table

    problem, q = Table(_double([0.18, 0.05, 0.12, 0.3])), Categorical(logits=_double([0.1, -0.4, 0.3, -1.0]))
    found = certify(_make(name), problem, tensor(0), q)
    return Outcome.within(found.largest_bias, 1e-11, f"trace of the covariance {float(found.covariance.trace()):.4g}")


def _straight_through(context: Context) -> Outcome:
    from math import exp, pi

    from torch.distributions import Bernoulli

    from elbo.exact import certify, integrate
    from elbo.gradients import Expectation, GumbelSoftmax, StraightThrough

    worst, tau = 0.0, 1e-3
    for logit, t in ((0.3, 2.0), (-1.2, 0.7), (2.0, -1.0)):
        cost, q, theta = Expectation(partial(_exponential, t)), Bernoulli(logits=_double(logit)), 1 / (1 + exp(-logit))
        slope = theta * (1 - theta)
        bias = slope * ((1 - theta) * t + theta * t * exp(t) - (exp(t) - 1))
        worst = max(worst, abs(float(certify(StraightThrough(), cost, None, q).bias["logits"]) - bias) * 1e12)
        first = integrate(partial(_slope_times_logit, t), 0.0, 1.0).value
        soft = float(certify(GumbelSoftmax(tau), cost, None, q).bias["logits"]) / tau
        # the next term: the second derivative of the logistic density is at most 1/8, and ∫ logit² = π²/3
        room = tau / 16 * pi**2 / 3 * abs(t) * max(exp(t), 1.0)
        worst = max(worst, abs(soft - slope * (2 * theta - 1) * first) / (room + 1e-6))
    return Outcome.within(worst, 1.0, "largest share of 1e-12 (straight-through) and of the O(τ²) term, τ = 0.001")


def _slope_times_logit(t: float, y: float) -> float:
    from math import exp, log

    return t * exp(t * y) * log(y / (1 - y)) if 0 < y < 1 else 0.0


def _exponential(t: float, z: Any) -> Any:
    return (t * z).exp()


def _quadratic(context: Context) -> Outcome:
    from torch.distributions import Normal

    from elbo.exact import certify
    from elbo.gradients import Expectation, Pathwise, ScoreFunction

    worst = 0.0
    for mu, s, k in ((1.0, 1.0, 3.0), (0.2, 1.7, -0.4), (-1.0, 0.3, 0.5)):
        d, problem, q = mu - k, Expectation(partial(_square, k)), Normal(_double(mu), _double(s))
        score, path = (certify(e, problem, None, q).variance for e in (ScoreFunction(), Pathwise()))
        pairs = [
            (score["mean"], d**4 / s**2 + 14 * d**2 + 15 * s**2),
            (path["mean"], 4 * s**2),
            (score["log_std"] / s**2, 2 * d**4 / s**2 + 60 * d**2 + 74 * s**2),
            (path["log_std"] / s**2, 4 * d**2 + 8 * s**2),
        ]
        worst = max(worst, *[abs(float(got) / truth - 1) for got, truth in pairs])
    return Outcome.within(worst, 1e-11, "three settings, mean and spread, relative")


def _square(k: float, z: Any) -> Any:
    return (z - k) ** 2


def _sticking(context: Context) -> Outcome:
    from torch.distributions import Normal

    from elbo.exact import certify
    from elbo.gradients import Pathwise, StickingTheLanding
    from elbo.problems import LinearGaussian

    problem, x = LinearGaussian(_double(1.0)), _double(1.0)
    silent = float(certify(StickingTheLanding(), problem, x, problem.posterior(x)).covariance.abs().max())
    right = True
    for v in (0.2, 0.24, 0.26, 0.5, 4.0):
        q = Normal(_double(0.1), _double(v).sqrt())
        path, total = (certify(e, problem, x, q).variance["mean"] for e in (StickingTheLanding(), Pathwise()))
        right &= bool((path > total) == (v < 0.25))
    return Outcome.within(silent if right else float("nan"), 1e-24, "posterior variance 1/2, threshold 1/4")


def _slope(family: str, slope: float, context: Context) -> Outcome:
    from math import log

    from elbo import gradients
    from elbo.exact import certify

    of = getattr(gradients, family)
    zero = {"mean": _double(0.0), "log_std": _double(0.0)}
    low, high = (float(certify(of(k), *_z1(), truth=zero).signal_to_noise["mean"]) for k in (256, 4096))
    return Outcome.within(abs(log(high / low) / log(16) - slope), 5e-3, f"SNR {low:.4g} at K = 256, {high:.4g} at 4096")


def _model_slope(context: Context) -> Outcome:
    from math import log

    from elbo.exact import certify
    from elbo.gradients import IwaeGradient

    zero = {"mean": _double(0.0), "log_std": _double(0.0), "model.offset": _double(0.0)}
    found = []
    for k in (256, 4096):
        certificate = certify(IwaeGradient(k), *_z1(), model=("offset",), truth=zero)
        found.append(float(certificate.signal_to_noise["model.offset"]))
    return Outcome.within(abs(log(found[1] / found[0]) / log(16) - 0.5), 5e-3, f"SNR {found[0]:.4g}, {found[1]:.4g}")


def _disarm(context: Context) -> Outcome:
    import torch
    from torch.distributions import Bernoulli

    from elbo.exact import certify
    from elbo.gradients import Arm, DisArm, Expectation, Rloo

    worst, problem = 0.0, Expectation(partial(_square, 0.45))
    for logit in (-2.0, -0.3, 0.0, 1.1):
        q = Bernoulli(logits=_double(logit))
        arm, disarm, rloo = (float(certify(e, problem, None, q).variance["logits"]) for e in (Arm(), DisArm(), Rloo(2)))
        theta = float(torch.sigmoid(_double(logit)))
        spread = theta * (1 - theta)
        truth = 0.1**2 * spread * (0.5 * max(theta, 1 - theta) - spread)
        worst = max(worst, abs(disarm - truth), disarm - arm, disarm - rloo)
    return Outcome.within(worst, 1e-15, "four logits, cost (b - 0.45)²")


def _faults(context: Context) -> Outcome:
    from elbo.exact import certify
    from elbo.gradients import Dreg, Rloo, StickingTheLandingIwae

    class SeesItsOwnSample(Rloo):
        def _baseline(self, f: Any) -> Any:
            return f.mean(-1, keepdim=True)

    class ScoreTwice(Dreg):
        def _term(self, problem: Any, live: Any, frozen: Any, noise: Any) -> Any:
            return live.log_weight(problem, live.family.sample(live, noise))

    faults = [SeesItsOwnSample(2), ScoreTwice(4), StickingTheLandingIwae(4)]
    smallest = min(certify(fault, *_z1()).largest_bias for fault in faults)
    return Outcome.within(-smallest, -1e-3, f"smallest bias of the three: {smallest:.3g}")


def _draws(name: str, context: Context) -> Outcome:
    from elbo.evidence import Verdict, mean_test
    from elbo.exact import certify

    problem, x, q = _z1()
    estimator = _make(name)
    found = certify(estimator, problem, x, q)
    parameters = estimator.parameters(problem, x, q)
    noise = estimator.noise(problem, parameters).draw((20_000,), generator=context.generator("noise"))
    drawn = estimator.draws(problem, parameters, noise)
    share = context.alpha / len(found.mean)
    tests = [mean_test(drawn[n], float(m), float(found.variance[n]), share) for n, m in found.mean.items()]
    verdict = Verdict.REFUTED if any(t.rejected for t in tests) else Verdict.CONFIRMED
    seen = max(t.smallest_visible_shift for t in tests)
    return Outcome(verdict, alpha=context.alpha, detail=f"would see a shift of {seen:.2g}")
