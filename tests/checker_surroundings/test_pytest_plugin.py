"""The plugin, in scratch projects."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import elbo

pytest_plugins = ["pytester"]

LOSSES = """
import pytest
import elbo.pytest_plugin

def right(mean, log_var):
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1).mean()

def averaged(mean, log_var):
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).mean()
"""


@pytest.fixture(scope="module", autouse=True)
def everything_is_imported():
    """pytester forgets what is imported inside its runs, and torch does not survive being imported twice."""
    elbo.check(lambda mean, log_var: (mean**2 + log_var.exp() - 1 - log_var).sum() / 2, "gaussian_kl")


@pytest.fixture
def run(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(tests, *options):
        pytester.makepyfile(LOSSES + tests)
        return pytester.runpytest("-p", "elbo.pytest_plugin", "--strict-markers", *options)

    return run


def test_a_marked_test_returns_its_loss(run):
    result = run(
        """
@pytest.mark.elbo("gaussian_kl")
def test_right():
    return right

@pytest.mark.elbo("gaussian_kl", expected={"kl-averaged-over-latent": "as in the paper"})
def test_accepted():
    return averaged

@pytest.mark.elbo("gaussian_kl")
def test_wrong():
    return averaged
"""
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["*averaged against gaussian_kl: WRONG*", "*kl-averaged-over-latent*", "*--elbo-seed 0*"]
    )


def test_a_marked_test_that_returns_nothing_says_what_to_write(run):
    result = run("@pytest.mark.elbo('gaussian_kl')\ndef test_nothing():\n    right\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*end it with `return my_loss`*"])


def test_a_mark_without_a_target_says_what_to_write(run):
    result = run("@pytest.mark.elbo\ndef test_nothing():\n    return right\n")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*with one target, for example*"])


def test_the_fixture_and_other_fixtures(run):
    result = run(
        """
@pytest.fixture
def loss():
    return right

def test_fixture(elbo_check, loss):
    report = elbo_check(loss, "gaussian_kl", spread="log_variance")
    assert report.verdict == "correct"

@pytest.mark.elbo("gaussian_kl")
def test_marked(loss):
    return loss

def test_wrong(elbo_check):
    elbo_check(averaged, "gaussian_kl")
"""
    )
    result.assert_outcomes(passed=2, failed=1)


def test_parametrized_losses_have_names(run):
    result = run(
        """
@elbo.pytest_plugin.parametrize_with_checks([
    (right, "gaussian_kl"),
    (averaged, "gaussian_kl"),
    (averaged, "gaussian_kl", {"expected": {"kl-averaged-over-latent": "known"}}),
])
def test_losses(check):
    check()
""",
        "-v",
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["*test_losses?right-gaussian_kl* PASSED*", "*test_losses?averaged-gaussian_kl* FAILED*"]
    )


def test_a_list_that_is_no_list_of_losses(run):
    result = run("@elbo.pytest_plugin.parametrize_with_checks([right])\ndef test_losses(check):\n    check()\n")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*write pairs*"])


def test_seed_and_alpha_reach_the_check(run):
    result = run(
        """
def test_options(elbo_check, request):
    from elbo.evidence import seed
    report = elbo_check(right, "gaussian_kl")
    assert report.seed == seed(7, request.node.nodeid)

def test_budget(request):
    from elbo.pytest_plugin import _share
    total = sum(_share(request.config) for _ in range(1000))
    assert 0 < total < 1e-3

def test_shown(elbo_check):
    elbo_check(averaged, "gaussian_kl")
""",
        "--elbo-seed",
        "7",
        "--elbo-alpha",
        "1e-3",
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*(--elbo-seed 7)*"])


def test_an_alpha_that_is_no_probability(run):
    result = run("def test_nothing():\n    pass\n", "--elbo-alpha", "2")
    assert result.ret != 0
    result.stderr.fnmatch_lines(["*not a probability between 0 and 1*"])


def test_tests_without_the_mark_are_left_alone(run):
    run("def test_plain():\n    assert right\n").assert_outcomes(passed=1)


def test_importing_the_plugin_imports_nothing_heavy():
    heavy = "torch", "numpy", "sympy", "hypothesis"
    code = f"import elbo.pytest_plugin, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, unpacked where nothing else is; what it depends on comes from this environment."""
    root = Path(__file__).resolve().parents[2]
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in ("elbo", "derivations"):
        shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    command = [*pip, "--no-build-isolation", "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return target


def test_a_scratch_project_uses_the_plugin_of_the_wheel(installed, tmp_path):
    test = "\n@pytest.mark.elbo('gaussian_kl')\ndef test_kl():\n    return right\n"
    test += "\n@pytest.mark.elbo('gaussian_kl')\ndef test_averaged():\n    return averaged\n"
    test += "\ndef test_place():\n    import elbo\n    print(elbo.__file__)\n"
    (tmp_path / "test_losses.py").write_text(LOSSES + test)
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_DISABLE_PLUGIN_AUTOLOAD"}
    environment["PYTHONPATH"] = str(installed)
    command = [sys.executable, "-m", "pytest", "-s", "--strict-markers", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert str(installed) in done.stdout
    assert "kl-averaged-over-latent" in done.stdout
