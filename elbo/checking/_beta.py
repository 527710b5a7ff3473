"""A further numeric parameter of a loss: is it β, where does it act, does it act at all?"""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from elbo.checking._block import Fitted, Others, evaluator
from elbo.checking._case import Case
from elbo.checking._fit import close

LIKE_BETA = (
    "beta",
    "kl_w",
    "kld_w",
    "kl_coef",
    "kl_scale",
    "kl_lambda",
    "lambda_kl",
    "lamb_kl",
    "w_kl",
    "weight_kl",
    "anneal",
    "kl_beta",
    "klw",
)


def settle_beta(case: Case, kl: Fitted, nll: Fitted, with_data: Others, with_latent: Others) -> None:
    """Vary every further numeric parameter; one that scales the KL alone is β and is set to one."""
    for name, default in case.subject.extras.items():
        required = default is inspect.Parameter.empty
        if not required and (isinstance(default, bool) or not isinstance(default, int | float)):
            continue
        like = any(part in name.lower() for part in LIKE_BETA)
        start = 1.0 if required or not default else float(default)
        if name in case.adopted.get("parameters", {}):
            continue
        first = _swings(case, kl, nll, with_data, with_latent, {name: start})
        second = _swings(case, kl, nll, with_data, with_latent, {name: 2.5 * start})
        if first is None or second is None or not first[0] or not first[1]:
            continue
        on_kl, on_nll = second[0] / first[0], second[1] / first[1]
        role = ""
        if close(on_kl, 2.5) and close(on_nll, 1.0):
            role = "β on the KL; judged at β = 1"
        elif close(on_nll, 2.5) and close(on_kl, 1.0) and like:
            role = "on the reconstruction term; judged at 1"
            case.find(
                "beta-on-reconstruction",
                f"the parameter {name!r} multiplies the reconstruction term and not the KL",
                evidence={
                    "yours": f"reconstruction × {on_nll:.3g}, KL × {on_kl:.3g}",
                    "expected": "reconstruction × 1, KL × 2.5",
                    "where": f"{name} from {start:g} to {2.5 * start:g}",
                },
            )
        elif close(on_nll, 1.0) and close(on_kl, 1.0) and like:
            role = "without effect"
            case.find(
                "beta-ignored",
                f"the parameter {name!r} has no effect on the value",
                evidence={
                    "yours": f"KL × {on_kl:.3g}",
                    "expected": "KL × 2.5",
                    "where": f"{name} from {start:g} to {2.5 * start:g}",
                },
            )
        if role:
            case.adopted["parameters"] = {**case.adopted.get("parameters", {}), name: role}
            case.subject.settings[name] = 1.0


def _swings(
    case: Case, kl: Fitted, nll: Fitted, with_data: Others, with_latent: Others, settings: Mapping[str, Any]
) -> tuple[float, float] | None:
    """How far the value moves with the latent block, and with the data block."""
    before = dict(case.subject.settings)
    case.subject.settings.update(settings)
    state = case.generator.get_state()
    moves = []
    try:
        for fitted, others in ((kl, with_data), (nll, with_latent)):
            shape = fitted.sizes.shape(fitted.block.letters)
            evaluate = evaluator(case, fitted.block, others(fitted.sizes))
            points: list[list[Tensor]] = [[fitted.draw(case, i, shape) for i in range(2)] for _ in range(2)]
            moves.append(evaluate(points[1]) - evaluate(points[0]))
    except Exception as error:
        from elbo._errors import Error

        if not isinstance(error, Error):
            raise
        return None
    finally:
        case.subject.settings = before
        case.generator.set_state(state)
    return moves[0], moves[1]
