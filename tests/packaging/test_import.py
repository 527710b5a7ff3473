"""Importing is cheap: nothing heavy is loaded before it is used, and nothing global changes."""

import subprocess
import sys

import pytest

HEAVY = ("sympy", "matplotlib", "hypothesis", "rich", "scipy", "pandas", "jax", "sklearn", "mpmath")


def loaded_after(statement: str) -> set[str]:
    code = f"import torch, sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_import_elbo_loads_nothing_heavy() -> None:
    assert not loaded_after("import elbo") & set(HEAVY)


def test_import_derivations_does_not_load_torch() -> None:
    code = "import derivations, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_public_name_can_be_had() -> None:
    import elbo

    for name in elbo.__all__:
        assert getattr(elbo, name) is not None
    assert set(elbo.__all__) <= set(dir(elbo))


@pytest.mark.parametrize("name", ["KL", "no_such_thing"])
def test_a_name_that_does_not_exist_is_an_attribute_error(name: str) -> None:
    import elbo

    with pytest.raises(AttributeError, match=name):
        getattr(elbo, name)


def test_importing_leaves_global_state_alone() -> None:
    code = (
        "import torch; s = torch.random.get_rng_state(); d = torch.get_default_dtype(); n = torch.get_num_threads();"
        "import elbo; [getattr(elbo, name) for name in elbo.__all__];"
        "assert torch.equal(s, torch.random.get_rng_state()) and d == torch.get_default_dtype();"
        "assert n == torch.get_num_threads() and torch.is_grad_enabled()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
