"""The wheel in an empty environment: what a user of the package gets."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("elbo", "derivations", "pyproject.toml", "setup.py", "README.md", "LICENSE")


def built(folder: Path, **environment: str) -> Path:
    """A wheel, from a copy so that no build folder is left in the checkout."""
    source, out = folder / "source", folder / "wheel"
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.pyd"))
        else:
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("package"))


def kernels_in(wheel: Path) -> list[str]:
    return [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith((".so", ".pyd"))]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler here")
def test_the_wheel_holds_the_compiled_kernels(wheel: Path) -> None:
    found = sorted(name.split(".")[0] for name in kernels_in(wheel))
    assert found == ["elbo/divergences/_native", "elbo/divergences/_native_rows"]


def test_without_a_compiler_the_formulas_in_python_stand_alone(tmp_path: Path) -> None:
    assert kernels_in(built(tmp_path, CC="false", CXX="false")) == []


def test_the_wheel_holds_the_packages_the_types_and_the_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"elbo/py.typed", "derivations/py.typed", "elbo/verification/report.html.jinja"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests/", "benchmarks/", "docs/")) for name in names)
    modules = {
        str(path.relative_to(ROOT)) for package in ("elbo", "derivations") for path in (ROOT / package).rglob("*.py")
    }
    assert modules <= names


def test_the_wheel_installs_into_an_empty_environment_and_answers(wheel: Path, tmp_path: Path) -> None:
    """With the pinned versions; about a minute, nearly all of it pip unpacking torch."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    binaries = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(binaries / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "--constraint", str(ROOT / "constraints.txt"), str(wheel)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def answer(*command: str) -> str:
        return subprocess.run(
            [str(binaries / command[0]), *command[1:]],
            capture_output=True, text=True, check=True, cwd=tmp_path, env=environment,
        ).stdout  # fmt: skip

    version = answer("elbo", "--version")
    assert version.split()[0] == "elbo"
    assert version.split()[1] in wheel.name
    kl = "import torch, elbo; N = torch.distributions.Normal; print(elbo.kl(N(1.0, 1.0), N(0.0, 1.0)).item())"
    assert answer("python", "-c", kl).strip() == "0.5"
    assert answer("elbo", "verify", "--only", "noise.*", "--quiet").splitlines()[-1].startswith("2 claims: 2 confirmed")
