"""MMD: closed form, unbiasedness of the U-statistic by quadrature, and explicit samples."""

import pytest
import torch

from elbo import bounds
from elbo._errors import InputValueError
from elbo.noise import StandardNormal

D = torch.float64


def test_closed_form_agrees_with_the_reference(golden):
    for case in golden("aggregates")["cases"]:
        i = case["inputs"]
        if i["kind"] == "mmd":
            args = [torch.tensor(i[k], dtype=D) for k in ("mean_x", "variance_x", "mean_y", "variance_y")]
            got = bounds.mmd_diagonal_gaussians(*args, bandwidth=i["bandwidth"])
            assert abs(got - float(case["expected"]["mmd2"])) < 1e-14
            # the V-statistic of n draws of each keeps the diagonal: too large by what the docstring says
            xx, yy, xy = (float(k) for k in case["expected"]["kernel_means"])
            assert abs(got - (xx + yy - 2 * xy)) < 1e-14
            expected = got + (2 - xx - yy) / i["n"]
            assert abs(expected - float(case["expected"]["biased_estimate_expectation"])) < 1e-14
        if i["kind"] == "mmd_samples":
            x, y = (torch.tensor(i[k], dtype=D)[:, None] for k in ("x", "y"))
            for estimator in ("unbiased", "biased"):
                got = bounds.mmd(x, y, i["bandwidth"], estimator)
                assert abs(got - float(case["expected"][estimator])) < 1e-14


def test_the_u_statistic_is_unbiased_and_the_v_statistic_is_not():
    # two draws of each, all four on nodes: the expectation of the statistic itself, without sampling
    e, w = StandardNormal((4,)).nodes(16)
    x, y = 0.3 + 1.2 * e[:, :2], -0.5 + 0.7 * e[:, 2:]
    keep = w > 1e-14
    w, x, y = w[keep], x[keep], y[keep]
    h = 1.5
    kernel = lambda a, b: torch.exp(-((a - b) ** 2) / (2 * h * h))  # noqa: E731
    xx, yy = kernel(x[:, 0], x[:, 1]), kernel(y[:, 0], y[:, 1])
    xy = (kernel(x[:, :, None], y[:, None, :])).mean((1, 2))
    args = [torch.tensor([v], dtype=D) for v in (0.3, 1.44, -0.5, 0.49)]
    truth = bounds.mmd_diagonal_gaussians(*args, bandwidth=h)
    assert abs(w @ (xx + yy - 2 * xy) - truth) < 1e-9
    for i in torch.arange(0, len(w), len(w) // 40):
        got = bounds.mmd(x[i][:, None], y[i][:, None], h)
        assert abs(got - (xx + yy - 2 * xy)[i]) < 1e-14
        biased = bounds.mmd(x[i][:, None], y[i][:, None], h, "biased")
        assert abs(biased - (1 + xx[i]) / 2 - (1 + yy[i]) / 2 + 2 * xy[i]) < 1e-14


def test_near_points_keep_their_digits():
    x = torch.tensor([[1e4], [1e4 + 1e-3]], dtype=D)
    y = torch.tensor([[1e4 + 2e-3], [1e4 + 3e-3]], dtype=D)
    a = bounds.mmd(x, y, 1e-2)
    assert abs(a - bounds.mmd(x - 1e4, y - 1e4, 1e-2)) < 1e-9


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: bounds.mmd(torch.zeros(2), torch.zeros(2)), r"\[samples, latent\]"),
        (lambda: bounds.mmd(torch.zeros(1, 1), torch.zeros(2, 1)), "at least 2"),
        (lambda: bounds.mmd(torch.zeros(2, 1), torch.zeros(2, 1), 0.0), "bandwidth is 0"),
        (lambda: bounds.mmd(torch.zeros(2, 1), torch.zeros(2, 1), 1.0, "both"), "'unbiased' or 'biased'"),
        (lambda: bounds.mmd_diagonal_gaussians(*[-torch.ones(1)] * 4), "negative"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(InputValueError, match=says):
        call()
