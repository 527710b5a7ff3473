"""``elbo check``: exit statuses, JSON, HTML, references to functions."""

import io
import json

import pytest

from elbo.checking._command import check_command
from elbo.checking._load import LoadError, load

SOURCE = """
import torch

def right(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()

def wrong(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean()

def random(mu, logvar):
    import numpy as np
    return right(mu, logvar) + float(np.random.default_rng().normal())

def raises(mu, logvar):
    raise RuntimeError("their own words")

class Loss:
    def kl(self, mu, logvar):
        return right(mu, logvar)

    @staticmethod
    def static(mu, logvar):
        return right(mu, logvar)

class Needy:
    def __init__(self, beta):
        self.beta = beta

    def kl(self, mu, logvar):
        return right(mu, logvar)
"""


@pytest.fixture
def losses(tmp_path):
    path = tmp_path / "losses.py"
    path.write_text(SOURCE)
    return path


def run(references, target="gaussian_kl", **keywords):
    out = io.StringIO()
    return check_command(references, target, out=out, **keywords), out.getvalue()


@pytest.mark.parametrize(
    ("name", "status"),
    [("right", 0), ("wrong", 1), ("random", 3), ("raises", 2), ("Loss.kl", 0), ("Loss.static", 0), ("nowhere", 2)],
)
def test_exit_status(losses, name, status):
    assert run([f"{losses}:{name}"])[0] == status


def test_several_functions_give_the_worst_status(losses):
    status, text = run([f"{losses}:right", f"{losses}:wrong"])
    assert status == 1
    assert "CORRECT" in text
    assert "kl-averaged-over-latent" in text


def test_json_is_one_document(losses):
    _, text = run([f"{losses}:wrong"], as_json=True)
    report = json.loads(text)
    assert report["verdict"] == "wrong"
    assert report["mistakes"][0]["code"] == "kl-averaged-over-latent"
    _, text = run([f"{losses}:wrong", f"{losses}:raises"], as_json=True)
    assert [r["verdict"] for r in json.loads(text)] == ["wrong", None]


def test_html_is_one_page_without_requests(losses, tmp_path):
    page = tmp_path / "report.html"
    run([f"{losses}:wrong"], html=page)
    text = page.read_text()
    assert "kl-averaged-over-latent" in text
    assert "http" not in text


def test_errors_have_no_traceback_unless_asked(losses, capsys):
    run([f"{losses}:raises"])
    said = capsys.readouterr().err
    assert "raises raised RuntimeError: their own words" in said
    assert "Traceback" not in said
    run([f"{losses}:raises"], debug=True)
    assert "Traceback" in capsys.readouterr().err


def test_expected_deviations_are_accepted(losses):
    assert run([f"{losses}:wrong"], expected=["kl-averaged-over-latent=as in the paper"])[0] == 0
    assert run([f"{losses}:wrong"], expected=["kl-averaged-over-latent"])[0] == 2


def test_a_module_and_a_method_can_be_named(losses, monkeypatch):
    monkeypatch.chdir(losses.parent)
    assert run(["losses:Loss.kl"])[0] == 0
    assert run(["torch.nn.functional:mse_loss"], "gaussian_nll")[0] == 1


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("losses", "names no function"),
        ("nothing_here.py:kl", "there is no file"),
        ("no_such_module_here:kl", "there is no module"),
    ],
)
def test_a_wrong_reference_says_what_to_write(reference, words):
    with pytest.raises(Exception, match=words):
        load(reference)


def test_broken_files_are_told_apart(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("def f(:\n")
    with pytest.raises(LoadError, match="syntax error in line 1"):
        load(f"{broken}:f")
    broken.write_text("1 / 0\n")
    with pytest.raises(LoadError, match="ZeroDivisionError while it was loaded"):
        load(f"{broken}:f")
    broken.write_text("kl_loss = 3\ndef kl_loss_(m, s): return m\n")
    with pytest.raises(LoadError, match="did you mean"):
        load(f"{broken}:kl_los_")
    with pytest.raises(LoadError, match="cannot be called"):
        load(f"{broken}:kl_loss")


def test_a_class_that_needs_arguments_is_an_error(losses):
    with pytest.raises(LoadError, match="constructor needs arguments"):
        load(f"{losses}:Needy.kl")
