"""Functions that misbehave: each gives a clear report or error and leaves the process as it was."""

import contextlib
import os
import random
import threading
import time

import numpy as np
import pytest
import torch

import elbo
from elbo.checking import FunctionError, TimeLimitError, _guard


def kl(mean, log_var):
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).mean()


def printing(mu, logvar):
    print("so far so good")
    return kl(mu, logvar)


def mutating(mu, logvar):
    mu.pow_(2)
    return 0.5 * (mu + logvar.exp() - 1 - logvar).sum(1).mean()


def forking(mu, logvar):
    os.fork()
    return kl(mu, logvar)


def meddling(mu, logvar):
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(3)
    np.random.seed(4)
    random.seed(5)
    torch.set_grad_enabled(False)
    os.chdir("/")
    return kl(mu, logvar)


@pytest.mark.parametrize(
    ("function", "word"),
    [(printing, "prints"), (mutating, "in place"), (meddling, "default dtype")],
)
def test_side_effects_are_undone_and_mentioned(function, word, capsys, monkeypatch):
    monkeypatch.chdir(os.getcwd())
    before = (
        torch.get_rng_state(),
        np.random.get_state()[1],
        random.getstate(),
        torch.get_default_dtype(),
        os.getcwd(),
    )
    report = elbo.check(function, "gaussian_kl")
    after = (torch.get_rng_state(), np.random.get_state()[1], random.getstate(), torch.get_default_dtype(), os.getcwd())
    assert report.verdict == "correct"
    assert any(word in text for text in report.observed)
    assert torch.equal(before[0], after[0])
    assert (before[1] == after[1]).all()
    assert before[2:] == after[2:]
    assert torch.is_grad_enabled()
    assert capsys.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forking_function_leaves_one_process():
    me = os.getpid()
    report = elbo.check(forking, "gaussian_kl")
    assert os.getpid() == me
    assert report.verdict == "correct"
    assert any("forks" in text for text in report.observed)


@pytest.mark.parametrize("seconds", [0.0, 0.01, 30.0])
def test_a_loop_without_end_is_ended(seconds, monkeypatch):
    monkeypatch.setattr(_guard.Guard.__init__, "__defaults__", (0.3, 25.0))

    def forever(mu, logvar):
        while True:
            with contextlib.suppress(Exception):
                time.sleep(seconds)

    begun = time.perf_counter()
    with pytest.raises(TimeLimitError, match="forever did not return within"):
        elbo.check(forever, "gaussian_kl")
    assert time.perf_counter() - begun < 5


def test_the_time_limit_holds_outside_the_main_thread(monkeypatch):
    monkeypatch.setattr(_guard.Guard.__init__, "__defaults__", (0.3, 25.0))
    caught = []

    def forever(mu, logvar):
        while True:
            pass

    def run():
        try:
            elbo.check(forever, "gaussian_kl")
        except TimeLimitError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert len(caught) == 1


def test_a_users_exception_is_shown_as_theirs_and_state_restored():
    def raising(mu, logvar):
        torch.set_default_dtype(torch.float64)
        raise KeyError("my own key")

    with pytest.raises(FunctionError, match=r"raising raised KeyError: 'my own key'") as info:
        elbo.check(raising, "gaussian_kl")
    assert isinstance(info.value.__cause__, KeyError)
    assert torch.get_default_dtype() == torch.float32


class Model:
    def loss(self, mu, logvar):
        return kl(mu, logvar)


BAD = [
    (lambda mu, logvar: None, "return statement"),
    (lambda mu, logvar: "3", "returned '3'"),
    (lambda mu, logvar: (mu + 1j).sum(), "complex"),
    (lambda mu, logvar: mu.long().sum(), "int64"),
    (lambda mu, logvar: torch.zeros(7, 7), r"shape \(7, 7\)"),
    (lambda mu: mu.sum(), "takes 1 positional"),
    (Model.loss, "needs self"),
    (Model, "class Model"),
    (3, "cannot be called"),
    (lambda mu, logvar: {}, "without a tensor"),
    (lambda mu, logvar: (), "empty tuple"),
]


@pytest.mark.parametrize(("function", "words"), BAD)
def test_what_cannot_be_judged_is_an_error_that_says_why(function, words):
    with pytest.raises(elbo.Error, match=words):
        elbo.check(function, "gaussian_kl")


def test_unknown_names_list_the_known_and_the_nearest():
    with pytest.raises(elbo.Error, match="did you mean 'gaussian_kl'"):
        elbo.check(kl, "gaussian_kll")
    with pytest.raises(elbo.Error, match="log_variance"):
        elbo.check(kl, "gaussian_kl", spread="logvar")
    with pytest.raises(elbo.Error, match="effective-beta"):
        elbo.check(kl, "gaussian_kl", expected={"effective-bet": "x"})
    with pytest.raises(elbo.Error, match="why this deviation is accepted"):
        elbo.check(kl, "gaussian_kl", expected={"effective-beta": " "})


def test_a_missing_gpu_is_reported_as_the_functions_own_error():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(FunctionError, match=r"CUDA|cuda"):
        elbo.check(lambda mu, logvar: kl(mu.cuda(), logvar.cuda()), "gaussian_kl")


def test_modules_are_judged_on_a_copy_in_double():
    class Loss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def forward(self, mu, logvar):
            return self.weight * kl(mu, logvar)

    loss = Loss()
    assert elbo.check(loss, "gaussian_kl").verdict == "correct"
    assert loss.weight.dtype == torch.float32
    assert loss.weight.grad is None


@pytest.mark.parametrize("target", ["gaussian_kl", "negative_elbo"])
def test_the_same_seed_gives_the_same_report(target):
    def loss(*tensors):
        return sum((t**2).sum() for t in tensors)

    function = (lambda a, b: loss(a, b)) if target == "gaussian_kl" else (lambda r, x, m, s: loss(r, x, m, s))
    first, second = elbo.check(function, target, seed=5), elbo.check(function, target, seed=5)
    assert first.to_dict() == second.to_dict()
    assert elbo.check(function, target, seed=6).verdict == first.verdict


def test_fifty_functions_take_well_under_thirty_seconds():
    begun = time.process_time()
    for _ in range(50):
        assert elbo.check(kl, "gaussian_kl")
    assert time.process_time() - begun < 10
