"""Turn what a caller passes as draws into a float64 array, refusing what would make a test meaningless."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from elbo._errors import InputValueError

Array = npt.NDArray[np.float64]
Draws = npt.ArrayLike | torch.Tensor | Sequence[float]


def as_array(draws: Draws, name: str = "draws") -> Array:
    """A float64 array of finite numbers with at least one axis."""
    array = np.asarray(draws.detach().cpu() if isinstance(draws, torch.Tensor) else draws, dtype=np.float64)
    if array.ndim == 0 or array.size == 0:
        raise InputValueError(f"{name} has shape {array.shape}; pass at least one draw, the draws along the first axis")
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if bad:
        raise InputValueError(
            f"{name} has {bad} of {array.size} values that are NaN or infinite; dropping them would bias the test, "
            "so find where they come from"
        )
    return array


def check_alpha(alpha: float) -> float:
    """A probability strictly between 0 and 1."""
    if not 0.0 < alpha < 1.0:
        raise InputValueError(
            f"alpha is {alpha}; a false-alarm probability lies strictly between 0 and 1, such as 1e-9"
        )
    return float(alpha)
