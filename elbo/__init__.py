"""Verified mathematics and estimators of variational inference with latent variables.

The names below are loaded when first used, so that ``import elbo`` costs little beyond ``import torch``.
"""

from typing import Any

import lazy_loader

from elbo._version import __version__

__getattr__: Any
__getattr__, _lazy_dir, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "bounds",
        "checking",
        "distributions",
        "divergences",
        "evidence",
        "exact",
        "gradients",
        "noise",
        "problems",
        "strategies",
        "testing",
    ],
    submod_attrs={
        "_errors": ["Error"],
        "checking": ["Report", "check", "check_model"],
        "divergences": ["kl", "kl_pairs", "register", "renyi"],
        "exact": ["Certificate", "certify"],
    },
)
__all__ += ["__version__"]


def __dir__() -> list[str]:
    return [*_lazy_dir(), "__version__"]
