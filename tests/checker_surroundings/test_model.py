"""Whole models: right ones pass, and each planted fault is named."""

import doctest
import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import elbo.checking._model as module
from elbo._errors import InputTypeError, InputValueError
from elbo.checking._model import check_model

P, D, H = 12, 3, 16


@pytest.fixture
def x(rng):
    mixing = torch.randn(D, P, generator=rng)
    return torch.sigmoid(torch.randn(80, D, generator=rng) @ mixing)


class Base(nn.Module):
    """Encoder by two heads, Bernoulli decoder, the loss of the PyTorch example."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.hidden, self.mu, self.logvar = nn.Linear(P, H), nn.Linear(H, D), nn.Linear(H, D)
        self.back, self.out = nn.Linear(D, H), nn.Linear(H, P)

    def encode(self, x):
        h = torch.tanh(self.hidden(x))
        return self.mu(h), self.logvar(h)

    def reparameterize(self, mu, logvar):
        return mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)

    def decode(self, z):
        return torch.sigmoid(self.out(torch.tanh(self.back(z))))

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar

    def kl(self, mu, logvar):
        return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)

    def loss_function(self, recon, x, mu, logvar):
        return F.binary_cross_entropy(recon, x, reduction="sum") + self.kl(mu, logvar).sum()


class Averaged(Base):
    def loss_function(self, recon, x, mu, logvar):
        return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + self.kl(mu, logvar)).mean()


class ForwardIsTheLoss(Base):
    def forward(self, x):
        mu, logvar = self.encode(x)
        q = torch.distributions.Normal(mu, torch.exp(0.5 * logvar))
        recon = self.decode(q.rsample())
        rec = 0.5 * ((x - recon) ** 2).sum(1)
        return {"loss": (rec + self.kl(mu, logvar)).mean(), "kl": self.kl(mu, logvar).mean()}

    loss_function = None


class SampledKL(Base):
    def forward(self, x):
        mu, logvar = self.encode(x)
        q = torch.distributions.Normal(mu, torch.exp(0.5 * logvar))
        z = q.rsample()
        kl = (q.log_prob(z) - torch.distributions.Normal(0.0, 1.0).log_prob(z)).sum(1)
        return (F.binary_cross_entropy(self.decode(z), x, reduction="none").sum(1) + kl).mean()

    loss_function = None


class Sequential(nn.Module):
    """Submodules instead of methods, data with four axes, an encoder of one output, a training step."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(P, H), nn.ReLU(), nn.Linear(H, 2 * D))
        self.decoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, P), nn.Unflatten(1, (1, 3, 4)))

    def training_step(self, batch, index):
        x, _ = batch
        mu, log_std = self.encoder(x).chunk(2, 1)
        z = mu + log_std.exp() * torch.randn(mu.shape, dtype=mu.dtype)
        kl = (0.5 * (mu**2 + (2 * log_std).exp() - 1) - log_std).sum(1)
        rec = F.mse_loss(self.decoder(z), x, reduction="none").flatten(1).sum(1)
        return (rec + kl).mean()


RIGHT = {
    "pytorch example": (Base, "bernoulli", "log_variance", None),
    "mean over the batch": (Averaged, "bernoulli", "log_variance", None),
    "forward is the loss": (ForwardIsTheLoss, "gaussian", "log_variance", None),
    "one draw of the KL": (SampledKL, "bernoulli", "log_variance", "unbiased-estimate"),
    "submodules": (Sequential, "gaussian", "log_std", "decoder-variance"),
}


def data_for(kind, x):
    return x.reshape(-1, 1, 3, 4) if kind is Sequential else x


@pytest.mark.parametrize("name", RIGHT)
def test_right_models_pass(name, x):
    kind, likelihood, reading, note = RIGHT[name]
    report = check_model(kind(), data_for(kind, x), samples=8)
    assert report.verdict == "correct", str(report)
    assert likelihood in report.computes
    assert reading in report.computes
    assert reading in report.found["sampler"]
    assert {"encoder", "decoder", "loss", "sampler"} <= set(report.found)
    assert note is None or note in {n.code for n in report.notes}


def test_the_loss_equals_our_own_elbo_on_the_same_draws(x):
    report = check_model(Averaged(), x, samples=8)
    assert abs(report.difference.mean) < 1e-9
    assert report.loss.mean == pytest.approx(report.negative_elbo.mean)
    assert report.loss.over_data > 0
    assert report.loss.over_noise > 0


def test_one_draw_of_the_kl_differs_by_noise_only(x):
    report = check_model(SampledKL(), x, samples=200)
    assert 0 < abs(report.difference.mean) < 5 * report.difference.over_noise


# --- faults: what is changed, and the code that must be named ------------------------------------


def faulty(**methods):
    return type("Faulty", (Averaged,), methods)()


def _mean_bce(self, recon, x, mu, logvar):
    return F.binary_cross_entropy(recon, x) + self.kl(mu, logvar).mean()


def _mean_kl(self, recon, x, mu, logvar):
    return F.binary_cross_entropy(recon, x, reduction="sum") / len(x) + self.kl(mu, logvar).mean() / D


def _mismatch(self, recon, x, mu, logvar):
    return F.binary_cross_entropy(recon, x, reduction="sum") + self.kl(mu, logvar).mean()


def _beta(self, recon, x, mu, logvar):
    return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + 5 * self.kl(mu, logvar)).mean()


def _minus(self, recon, x, mu, logvar):
    return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) - self.kl(mu, logvar)).mean()


def _reported(self, recon, x, mu, logvar):
    rec, kl = F.binary_cross_entropy(recon, x, reduction="none").sum(1), self.kl(mu, logvar)
    return {"loss": (rec + kl).mean(), "elbo": -(rec + 4 * kl).mean()}


FAULTS = {
    "reconstruction-averaged": {"loss_function": _mean_bce},
    "kl-averaged-over-latent": {"loss_function": _mean_kl},
    "batch-reduction-mismatch": {"loss_function": _mismatch},
    "effective-beta": {"loss_function": _beta},
    "sign-flipped": {"loss_function": _minus},
    "reported-differs-from-trained": {"loss_function": _reported},
    "sampler-spread-misread": {"reparameterize": lambda self, m, s: m + torch.exp(s) * torch.randn_like(m)},
    "noise-scale": {"reparameterize": lambda self, m, s: m + 0.1 * torch.exp(0.5 * s) * torch.randn_like(m)},
    "sampler-draws-nothing": {"reparameterize": lambda self, m, s: m},
}


@pytest.mark.parametrize("code", FAULTS)
def test_planted_faults_are_named(code, x):
    report = check_model(faulty(**FAULTS[code]), x, samples=4)
    assert report.verdict == "wrong", str(report)
    assert [m.code for m in report.mistakes] == [code]


def _mean_in_evaluation(self, mu, logvar):
    return Averaged.reparameterize(self, mu, logvar) if self.training else mu


def test_evaluation_at_the_mean_is_said(x):
    report = check_model(faulty(reparameterize=_mean_in_evaluation), x, samples=4)
    assert report.verdict == "correct"
    assert "evaluation-changes-objective" in {n.code for n in report.notes}


def test_batch_normalisation_and_dropout_are_said(x):
    model = Averaged()
    model.hidden = nn.Sequential(nn.Linear(P, H), nn.BatchNorm1d(H), nn.Dropout(0.2))
    report = check_model(model, x, samples=4)
    notes = {n.code: n.message for n in report.notes}
    assert "hidden.2, p = 0.2" in notes["dropout"]
    assert "hidden.1" in notes["evaluation-changes-objective"]
    assert model.hidden[2].p == 0.2


def test_collapsed_dimensions_are_counted(x):
    model = Averaged()
    with torch.no_grad():
        for head in (model.mu, model.logvar):
            head.weight[1:] = 0
            head.bias[1:] = 0
        model.mu.weight[0] *= 5
    report = check_model(model, x, samples=4)
    assert report.latent.active == (0,)
    assert report.latent.kl[1:] == pytest.approx((0.0, 0.0))
    (note,) = (n for n in report.notes if n.code == "collapsed-dimensions")
    assert note.evidence["dimensions"] == [1, 2]


def test_a_decoder_that_ignores_the_latent_is_said(x):
    model = Averaged()
    with torch.no_grad():
        model.back.weight.zero_()
    assert "decoder-ignores-latent" in {n.code for n in check_model(model, x, samples=4).notes}


def test_a_trained_model_uses_its_latent(x):
    model, x = Averaged(), x.round()
    with torch.no_grad():
        model.logvar.weight.zero_()
        model.logvar.bias.fill_(-5.0)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(150):
        optimiser.zero_grad()
        F.binary_cross_entropy(model(x)[0], x).backward()
        optimiser.step()
    assert "decoder-ignores-latent" not in {n.code for n in check_model(model, x, samples=4).notes}


def test_a_loss_can_be_given(x):
    model = Base()

    def loss(model, x):
        recon, mu, logvar = model(x)
        return (F.binary_cross_entropy(recon, x, reduction="none").sum(1) + 2 * model.kl(mu, logvar)).mean()

    report = check_model(model, x, loss=loss, samples=4)
    assert [m.code for m in report.mistakes] == ["effective-beta"]
    assert check_model(model, x, loss=model.loss_function, samples=4).verdict == "correct"


def test_the_model_and_the_process_are_left_as_they_were(x):
    model = Averaged().train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    check_model(model, x, samples=4)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(torch.equal(v, before[k]) and v.dtype == torch.float32 for k, v in model.state_dict().items())
    assert "decode" not in vars(model)


def test_the_same_seed_gives_the_same_report(x):
    assert str(check_model(Averaged(), x, samples=4)) == str(check_model(Averaged(), x, samples=4))


def test_the_report_is_ready_for_json_and_notebooks(x):
    report = check_model(faulty(**FAULTS["effective-beta"]), x, samples=4)
    data = json.loads(json.dumps(report.to_dict()))
    assert data["verdict"] == "wrong"
    assert data["mistakes"][0]["code"] == "effective-beta"
    assert "effective-beta" in report._repr_html_()
    assert not report


def test_a_model_of_other_terms_is_undecided(x):
    def loss(self, recon, x, mu, logvar):
        return (recon - x).pow(4).sum() + mu.abs().sum()

    assert check_model(faulty(loss_function=loss), x, samples=4).verdict == "undecided"
    assert check_model(nn.Linear(P, P), x).verdict == "undecided"


def test_batches_of_a_loader_are_read(x):
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, torch.zeros(len(x))), batch_size=16)
    assert check_model(Averaged(), loader, rows=40, samples=4).verdict == "correct"


@pytest.mark.parametrize(
    "model, data, error, words",
    [
        (Base, torch.zeros(20, P), InputTypeError, "expected a torch.nn.Module instance"),
        (Base(), torch.zeros(20, P, dtype=torch.long), InputTypeError, r"data\.float"),
        (Base(), torch.zeros(3, P), InputValueError, "at least 8"),
        (Base(), torch.full((20, P), torch.nan), InputValueError, "not finite"),
        (Base(), [], InputValueError, "0 rows"),
    ],
)
def test_bad_input_says_what_to_write(model, data, error, words):
    with pytest.raises(error, match=words):
        check_model(model, data)


def test_the_example_in_the_docstring_runs():
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
