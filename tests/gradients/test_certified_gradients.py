"""Every estimator against exact references: expectation and variance, without a seed."""

import doctest
import importlib

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent, Normal

from elbo import gradients, problems
from elbo._errors import InputTypeError, InputValueError
from elbo.exact import certify
from elbo.gradients import (
    Arm,
    DisArm,
    Dreg,
    Expectation,
    IwaeGradient,
    Pathwise,
    Rloo,
    ScoreFunction,
    StickingTheLanding,
    StickingTheLandingIwae,
    WakePhi,
)

D = torch.float64


def T(value):
    return torch.tensor(value, dtype=D)


def near(got, truth, relative=1e-10, absolute=1e-11):
    return abs(float(got) - float(truth)) <= relative * abs(float(truth)) + absolute


COSTS = {
    "quadratic": lambda k: lambda z: (z - k) ** 2,
    "exp": lambda k: lambda z: torch.exp(-k * z * z),
    "exponential": lambda k: lambda z: torch.exp(-k * z * z),
    "gaussian": lambda k: lambda z: torch.exp(-k * z * z),
    "cos": lambda k: lambda z: torch.cos(k * z),
    "cosine": lambda k: lambda z: torch.cos(k * z),
}


@pytest.mark.parametrize("case", range(27))
def test_cost_functions_agree_with_the_reference(golden, case):
    c = [c for c in golden("gradients_continuous")["cases"] if c["inputs"]["kind"] == "cost_function"][case]
    i, e = c["inputs"], c["expected"]
    problem, q, s = Expectation(COSTS[i["cost"]](i["k"])), Normal(T(i["mu"]), T(i["s"])), i["s"]
    for estimator, name in (
        (ScoreFunction(), "score"),
        (Pathwise(), "pathwise"),
        (ScoreFunction(1, "optimal"), "score_optimal_baseline"),
    ):
        found = certify(estimator, problem, None, q)
        assert found.unbiased
        assert near(found.mean["mean"], e["gradient"]["mu"])
        # d/d log s = s d/ds
        assert near(found.mean["log_std"] / s, e["gradient"]["s"])
        if f"{name}_mu" in e["variance"]:
            assert near(found.variance["mean"], e["variance"][f"{name}_mu"])
            assert near(found.variance["log_std"] / s**2, e["variance"][f"{name}_s"])


@pytest.mark.parametrize("case", range(10))
def test_elbo_gradients_agree_with_the_reference(golden, case):
    c = [c for c in golden("gradients_continuous")["cases"] if c["inputs"]["kind"] == "elbo_gradient"][case]
    i, e = c["inputs"], c["expected"]
    problem, x = problems.LinearGaussian(i["a"], i["c"], i["r"]), T(i["x"])
    q = Normal(T(i["q_mean"]), T(i["q_variance"]).sqrt())
    for estimator, name in (
        (Pathwise(), "total"),
        (StickingTheLanding(), "path"),
        (Pathwise(analytic_kl=True), "analytic_kl"),
        (ScoreFunction(), "score"),
    ):
        found = certify(estimator, problem, x, q)
        assert found.unbiased
        assert found.largest_bias < 1e-9
        for parameter in ("mean", "log_std"):
            assert near(found.mean[parameter], e["gradient"][parameter])
            assert near(found.variance[parameter], e["variance"][name][parameter])


@pytest.mark.parametrize("case", range(7))
def test_multi_sample_gradients_agree_with_the_reference(golden, case):
    c = [c for c in golden("gradients_continuous")["cases"] if c["inputs"]["kind"] == "multi_sample"][case]
    i, e = c["inputs"], c["expected"]
    problem, x = problems.LinearGaussian(i["a"], i["c"], i["r"]), T(i["x"])
    q = Normal(T(i["q_mean"]), T(i["q_variance"]).sqrt())
    families = [(IwaeGradient, "iwae"), (StickingTheLandingIwae, "path"), (Dreg, "dreg"), (WakePhi, "wake")]
    for j, k in list(enumerate(i["K"]))[:: 1 if case == 0 else 3]:
        for family, name in families:
            # the truth by differences of L_K is slow; the bias is tested once, below
            found = certify(family(k), problem, x, q, truth={"mean": T(0.0), "log_std": T(0.0)})
            for parameter in ("mean", "log_std"):
                expected = e[name][parameter]
                assert near(found.mean[parameter], expected["expectation"][j], absolute=3e-13)
                # DReG subtracts the square of its mean: relative accuracy falls like K eps
                assert near(found.variance[parameter], expected["variance"][j], relative=5e-11, absolute=1e-16)


BERNOULLI = {
    "reinforce": lambda mean: ScoreFunction(),
    "reinforce_mean_baseline": lambda mean: ScoreFunction(1, mean),
    "reinforce_optimal_baseline": lambda mean: ScoreFunction(1, "optimal"),
    "rloo_2": lambda mean: Rloo(2),
    "rloo_3": lambda mean: Rloo(3),
    "rloo_4": lambda mean: Rloo(4),
    "arm": lambda mean: Arm(),
    "disarm": lambda mean: DisArm(),
}


@pytest.mark.parametrize("case", range(18))
def test_discrete_estimators_agree_with_the_reference(golden, case):
    kinds = ("bernoulli", "bernoulli_vector")
    c = [c for c in golden("gradients_discrete")["cases"] if c["inputs"]["kind"] in kinds][case]
    i, e = c["inputs"], c["expected"]
    if i["kind"] == "bernoulli":
        costs, q = T([i["f0"], i["f1"]]), Independent(Bernoulli(logits=T([i["logit"]])), 1)
        e = {**e, "gradient": [e["gradient"]], "variance": {k: [v] for k, v in e["variance"].items()}}
    else:
        costs, q = T(i["costs"]), Independent(Bernoulli(logits=T(i["logits"])), 1)
    d = q.event_shape[0]
    powers = 2.0 ** torch.arange(d - 1, -1, -1, dtype=D)
    problem = Expectation(lambda z: costs[(z @ powers).round().long()])
    law = ScoreFunction().noise(problem, ScoreFunction().parameters(problem, None, q))
    states, weights = law.enumerate()
    mean = float(weights @ problem.cost(states[:, 0]))
    for name, variances in e["variance"].items():
        if name not in BERNOULLI or (name in ("rloo_3", "rloo_4") and d > 3):
            continue
        found = certify(BERNOULLI[name](mean), problem, None, q)
        assert found.largest_bias < 1e-13, name
        for j in range(d):
            assert near(found.mean["logits"][j], e["gradient"][j], absolute=1e-13), name
            assert near(found.variance["logits"][j], variances[j], absolute=1e-13), name


UNBIASED = [
    Pathwise(),
    Pathwise(analytic_kl=True),
    StickingTheLanding(),
    StickingTheLanding(16),
    ScoreFunction(),
    ScoreFunction(1, 3.0),
    ScoreFunction(1, "optimal"),
    Rloo(2),
    IwaeGradient(2),
    IwaeGradient(64),
    Dreg(2),
    Dreg(64),
]
MODELS = [
    (problems.LinearGaussian(T(1.0)), T(1.0), Normal(T(0.8), T(2 / 3).sqrt())),
    (problems.SquareDecoder(T(1.2)), T(0.9), Normal(T(0.5), T(0.5))),
    (problems.PoissonLogNormal(), T(2.0), Normal(T(0.3), T(0.6))),
]


@pytest.mark.parametrize("estimator", UNBIASED, ids=repr)
@pytest.mark.parametrize("problem, x, q", MODELS, ids=lambda v: type(v).__name__)
def test_unbiased_estimators_are_unbiased(estimator, problem, x, q):
    found = certify(estimator, problem, x, q, tolerance=1e-9)
    assert found.largest_bias < 1e-9 + found.mean_error
    assert found.unbiased
    assert (torch.linalg.eigvalsh(found.covariance) >= -found.covariance_error - 1e-14).all()


@pytest.mark.parametrize("logits", [[0.3], [-1.2, 0.7]])
@pytest.mark.parametrize("estimator", [ScoreFunction(), Rloo(2), Rloo(3), Arm(), DisArm()], ids=repr)
def test_discrete_estimators_of_an_elbo_are_unbiased(estimator, logits):
    n = len(logits)
    problem = problems.BernoulliLatents(T([1.0, -0.7][:n]), T([0.2, 0.6][:n]), T(0.8))
    found = certify(estimator, problem, T(0.6), Independent(Bernoulli(logits=T(logits)), 1))
    assert found.largest_bias < 1e-12


def test_categorical_score_function_is_unbiased():
    problem, q = problems.Table(T([0.18, 0.05, 0.12])), Categorical(logits=T([0.1, -0.4, 0.3]))
    for estimator in (ScoreFunction(), ScoreFunction(1, "optimal"), Rloo(2)):
        assert certify(estimator, problem, torch.tensor(0), q).largest_bias < 1e-13


def test_model_gradients_are_unbiased_too():
    problem, x, q = MODELS[0]
    for estimator in (Pathwise(), StickingTheLanding(), ScoreFunction(), IwaeGradient(4), Dreg(2)):
        found = certify(estimator, problem, x, q, model=("offset", "slope"), tolerance=1e-8)
        assert set(found.mean) == {"mean", "log_std", "model.offset", "model.slope"}
        assert found.largest_bias < 1e-8, estimator


def test_sticking_the_landing_is_silent_at_the_posterior_and_the_total_is_not():
    """C-11: the total gradient has the Fisher information as its variance there."""
    problem, x = problems.LinearGaussian(T(1.0)), T(1.0)
    q = problem.posterior(x)
    quiet = certify(StickingTheLanding(), problem, x, q)
    assert quiet.covariance.abs().max() < 1e-24
    total = certify(Pathwise(), problem, x, q).variance
    assert near(total["mean"], 1 / q.variance)
    assert near(total["log_std"], 2.0)


@pytest.mark.parametrize("v_p, v, worse", [(0.5, 0.25, None), (0.5, 0.24, True), (0.5, 4.0, False), (2 / 3, 0.3, True)])
def test_sticking_the_landing_is_worse_below_half_the_posterior_variance(v_p, v, worse):
    """C-12."""
    problem = problems.LinearGaussian(T((1 / v_p - 1) ** 0.5))
    q = Normal(T(0.1), T(v).sqrt())
    total, path = (certify(e, problem, T(0.5), q).variance["mean"] for e in (Pathwise(), StickingTheLanding()))
    assert near(total, v / v_p**2)
    assert near(path, v * (1 / v - 1 / v_p) ** 2)
    assert worse is None or (path > total) == worse


@pytest.mark.parametrize("family, slope, constant", [(IwaeGradient, -0.5, 0.2936), (Dreg, 0.5, 1.0243)])
def test_signal_to_noise_of_the_encoder(family, slope, constant):
    """E-01, E-02: SNR ~ constant K^slope for the total gradient and for DReG."""
    problem, x, q = MODELS[0]
    ks = [128, 512, 2048]
    zero = {"mean": T(0.0), "log_std": T(0.0)}
    snr = [float(certify(family(k), problem, x, q, truth=zero).signal_to_noise["mean"]) for k in ks]
    logs = torch.tensor(ks, dtype=D).log()
    centred = logs - logs.mean()
    fitted = float((centred * T(snr).log()).sum() / (centred**2).sum())
    assert fitted == pytest.approx(slope, abs=5e-3)
    assert snr[-1] * ks[-1] ** -slope == pytest.approx(constant, rel=5e-3)


def test_signal_to_noise_of_the_model_rises():
    """E-01 with the offset of the decoder as θ: SNR/√K -> |∇log p| / √E w̄²(∇log p(x,z) - ∇log p(x))²."""
    problem, x, q = MODELS[0]
    truth = {"mean": T(0.0), "log_std": T(0.0), "model.offset": T(0.0)}
    found = {
        k: certify(IwaeGradient(k), problem, x, q, model=("offset",), truth=truth).signal_to_noise["model.offset"]
        for k in (256, 4096)
    }
    assert float((found[4096] / found[256]).log() / torch.tensor(16.0, dtype=D).log()) == pytest.approx(0.5, abs=2e-3)
    e = torch.linspace(-12, 12, 2001, dtype=D)
    z = q.loc + q.scale * e
    law = torch.softmax(-0.5 * e**2, 0)
    w = torch.exp(problem.log_weight(x, z, q) - problem.log_evidence(x))
    evidence_gradient = (x - 0.0) / 2
    spread = (law * w**2 * ((x - z) - evidence_gradient) ** 2).sum().sqrt()
    assert float(found[4096]) / 64 == pytest.approx(float(evidence_gradient / spread), rel=2e-3)


def test_biased_ones_say_so_and_are():
    """E-03: sticking the landing for K > 1 follows the reversed divergence: -0.45 for K -> ∞ here."""
    problem, x, q = MODELS[0]
    for estimator in (StickingTheLandingIwae(8), WakePhi(8)):
        assert estimator.biased
        assert not certify(estimator, problem, x, q).unbiased
    limit = certify(StickingTheLandingIwae(10**6), problem, x, q, truth={"mean": T(-0.45), "log_std": T(0.0)})
    assert abs(limit.bias["mean"]) < 1e-5
    assert certify(StickingTheLandingIwae(1), problem, x, q).unbiased


def test_score_function_against_pathwise_is_no_foregone_conclusion():
    """C-06: for exp(-k z²) at μ = 0 they tie at k s² = ½, and the score function wins beyond."""
    q = Normal(T(0.0), T(1.0))

    def variances(k):
        cost = Expectation(lambda z: torch.exp(-k * z * z))
        return [float(certify(e, cost, None, q).variance["mean"]) for e in (ScoreFunction(), Pathwise())]

    score, path = variances(0.5)
    assert score == pytest.approx(path, abs=1e-11)
    assert score == pytest.approx(0.19245, abs=5e-6)
    score, path = variances(1.0)
    assert score < path
    score, path = variances(0.25)
    assert path < score


def test_optimal_baseline_of_one_bernoulli_has_no_variance():
    """D-01: b* = (1-θ) f(1) + θ f(0)."""
    cost, q = Expectation(lambda z: (z - 0.45) ** 2), Bernoulli(logits=T(0.3))
    estimator = ScoreFunction(1, "optimal")
    parameters = estimator.parameters(cost, None, q)
    theta = torch.sigmoid(T(0.3))
    assert near(estimator.optimal_baseline(cost, parameters)["logits"], (1 - theta) * 0.3025 + theta * 0.2025)
    assert certify(estimator, cost, None, q).covariance.abs().max() < 1e-30


def test_disarm_is_never_above_arm_nor_above_leave_one_out():
    for logit in (-2.0, -0.3, 0.0, 1.1):
        cost, q = Expectation(lambda z: (z - 0.45) ** 2), Bernoulli(logits=T(logit))
        arm, disarm, rloo = (float(certify(e, cost, None, q).variance["logits"]) for e in (Arm(), DisArm(), Rloo(2)))
        assert disarm <= arm + 1e-15
        assert disarm <= rloo + 1e-15


def test_an_estimator_of_ones_own_in_five_lines():
    class Mine:
        def noise(self, problem, parameters):
            from elbo.noise import StandardNormal

            return StandardNormal()

        def __call__(self, problem, parameters, noise):
            loc, scale = parameters["loc"], parameters["scale"]
            return {"loc": problem.log_weight(parameters["x"], loc + scale * noise, Normal(loc, scale)) * noise / scale}

    problem, x, q = MODELS[0]
    found = certify(Mine(), problem, x, q, truth={"loc": T(-0.6)})
    assert found.largest_bias < 1e-12
    assert "nodes" in found.how


@pytest.mark.parametrize(
    "call, error, says",
    [
        (lambda: Rloo(1), InputValueError, "at least 2"),
        (lambda: Pathwise(0), InputValueError, "at least 1"),
        (lambda: Pathwise(1.5), InputTypeError, "write an int"),
        (lambda: ScoreFunction(1, "best"), InputValueError, "leave_one_out"),
        (lambda: Pathwise().parameters(None, T(1.0), "q"), InputTypeError, r"torch\.distributions"),
        (lambda: Pathwise().parameters(None, T(1.0), Normal(torch.zeros(2), 1.0)), InputValueError, "Independent"),
        (lambda: certify(Pathwise(), *MODELS[0], model=("nothing",)), InputValueError, r"no tensor 'nothing'.*slope"),
        (
            lambda: certify(Pathwise(), Expectation(lambda z: z), None, Bernoulli(logits=T(0.0))),
            InputTypeError,
            "this q is discrete",
        ),
        (lambda: certify(DisArm(), *MODELS[0]), InputTypeError, "for Bernoulli q"),
        (lambda: certify(object(), *MODELS[0]), InputTypeError, r"noise\(problem, parameters\)"),
    ],
)
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize(
    "name", ["_estimator", "_families", "antithetic", "importance_weighted", "pathwise", "score_function"]
)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(f"elbo.gradients.{name}")).failed == 0
    assert set(gradients.__all__) <= set(dir(gradients))
