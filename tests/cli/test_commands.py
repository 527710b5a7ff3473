"""The command line: what it answers, its exit status, and that no user ever sees a traceback unasked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

import elbo
from elbo.cli import app

ROOT = Path(__file__).resolve().parents[2]
LOSSES = "examples/losses.py"


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)


def run(*arguments: str) -> Result:
    """In this process, since a new one spends its time importing torch."""
    return CliRunner().invoke(app, list(arguments))


def exit_status_of_a_process(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "elbo", *arguments], capture_output=True, check=False).returncode


def test_version_and_help() -> None:
    assert run("--version").stdout == f"elbo {elbo.__version__}\n"
    shown = run("--help").stdout
    for command in ("verify", "check", "audit"):
        assert command in shown


def test_the_help_of_check_says_that_the_file_runs_as_code() -> None:
    assert "runs as code" in " ".join(run("check", "--help").stdout.split())


@pytest.mark.parametrize(
    "function, target, status",
    [("vae_loss", "negative_elbo", 0), ("averaged_loss", "negative_elbo", 1), ("kl_without_half", "gaussian_kl", 1)],
)
def test_the_exit_status_is_the_verdict(function: str, target: str, status: int) -> None:
    assert run("check", f"{LOSSES}:{function}", "--against", target).exit_code == status


def test_a_process_exits_with_the_verdict() -> None:
    assert exit_status_of_a_process("check", f"{LOSSES}:kl_without_half", "--against", "gaussian_kl") == 1


def test_global_state_is_as_it_was_also_after_an_error(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loss.py").write_text(
        "import torch\n"
        "def f(mu, logvar):\n"
        "    torch.manual_seed(7); torch.set_grad_enabled(False); torch.set_default_dtype(torch.float64)\n"
        "    raise ValueError('mine')\n"
    )
    before = torch.random.get_rng_state(), torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()
    assert run("check", "loss.py:f", "--against", "gaussian_kl").exit_code == 2
    after = torch.random.get_rng_state(), torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_json_is_json_and_several_functions_are_a_list() -> None:
    done = run("check", f"{LOSSES}:vae_loss", f"{LOSSES}:averaged_loss", "--against", "negative_elbo", "--json")
    assert done.exit_code == 1
    assert [report["verdict"] for report in json.loads(done.stdout)] == ["correct", "wrong"]


def test_a_known_deviation_is_accepted_with_a_reason() -> None:
    accepted = run(
        "check",
        f"{LOSSES}:kl_without_half",
        "--against",
        "gaussian_kl",
        "--expected",
        "effective-beta=β = 2 on purpose",
    )
    assert accepted.exit_code == 0
    refused = run("check", f"{LOSSES}:kl_without_half", "--against", "gaussian_kl", "--expected", "effective-beta=")
    assert refused.exit_code == 2
    assert "accepted" in refused.stderr


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("examples/no_such_file.py:f", "--against", "gaussian_kl"), "no_such_file.py"),
        ((f"{LOSSES}:no_such_function", "--against", "gaussian_kl"), "it has"),
        ((f"{LOSSES}:vae_loss", "--against", "gausian_kl"), "gaussian_kl"),
        ((LOSSES, "--against", "gaussian_kl"), ":"),
    ],
)
def test_what_cannot_run_says_what_to_write(arguments: tuple[str, ...], said: str) -> None:
    done = run("check", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "body, said",
    [
        ("raise ValueError('mine')", "mine"),
        ("return None", "None"),
        ("return mu[:1, :1, None].expand(1, 1, 7).reshape(7)", "shape"),
        ("return (mu > 0).sum()", "int"),
        ("while True: pass", "did not return"),
    ],
)
def test_functions_that_do_not_work_are_reported_as_such(tmp_path: Path, monkeypatch, body: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loss.py").write_text(f"def f(mu, logvar):\n    {body}\n")
    done = run("check", "loss.py:f", "--against", "gaussian_kl")
    assert done.exit_code == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loss.py").write_text("def f(mu, logvar):\n    raise ValueError('mine')\n")
    assert "Traceback" in run("check", "loss.py:f", "--against", "gaussian_kl", "--debug").stderr


def test_a_file_with_a_syntax_error_is_named_with_its_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loss.py").write_text("x = 1\ndef f(:\n")
    done = run("check", "loss.py:f", "--against", "gaussian_kl")
    assert done.exit_code == 2
    assert "2" in done.stderr
    assert "Traceback" not in done.stderr


def test_audit_judges_one_pair_of_torch() -> None:
    done = run("audit", "--only", "Poisson ‖ Poisson", "--json", "-")
    assert done.exit_code == 1
    assert "NaN" in done.stdout
    assert run("audit", "elbo", "--only", "Poisson ‖ Poisson", "--quiet").exit_code == 0
    assert run("audit", "no.such.module:kl").exit_code == 2
