"""Which parameter of which law is to blame for an error, at which element, and what to write instead."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from elbo._errors import Error, InputTypeError, InputValueError

SOFTPLUS = "write torch.nn.functional.softplus(x) or x.exp() for a number x of either sign"
OTHER_FORM = {"probs": "logits", "logits": "probs"}  # of which a law is given one
REMEDIES = {
    "GreaterThan": SOFTPLUS,
    "GreaterThanEq": SOFTPLUS,
    "Interval": "write torch.sigmoid(x), or give logits instead",
    "Simplex": "write torch.softmax(x, -1)",
    "LowerCholesky": "write torch.linalg.cholesky(covariance), or a diagonal x.exp()",
    "PositiveDefinite": "write a @ a.mT + torch.eye(n) for any matrix a",
    "IntegerGreaterThan": "write whole numbers",
    "UnitVector": "write torch.nn.functional.normalize(x, dim=-1)",
}


def parameters(law: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """The parameters of a law with their names; for a law made of laws those of its parts, as ``base_dist.loc``."""
    found = {name: value for name, value in vars(law).items() if isinstance(value, Tensor) and name[0] != "_"}
    for name in law.arg_constraints:
        static: Any = inspect.getattr_static(type(law), name, None)
        if name in vars(law) or type(static) is not property:  # no lazy one, which would be computed
            continue
        inner = [vars(value) for value in vars(law).values() if isinstance(value, Distribution)]
        if not any(OTHER_FORM.get(name) in held and name not in held for held in inner):
            found[name] = getattr(law, name)  # a parameter that a law inside holds
    for name, value in found.items():
        yield path + name, value
    if not found:
        for name, value in vars(law).items():
            if isinstance(value, Distribution):
                yield from parameters(value, f"{path}{name.lstrip('_')}.")


def inner_laws(law: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """A law and those that it is made of, with where they are."""
    yield path, law
    for name, value in vars(law).items():
        if isinstance(value, Distribution):
            yield from inner_laws(value, f"{path}{name.lstrip('_')}.")


def wrong_kinds(q: Distribution, p: Distribution) -> Error:
    """That dtypes or devices differ, or are none to compute with."""
    kinds = [
        f"{side}.{name}: {t.dtype} on {t.device}" for side, law in (("q", q), ("p", p)) for name, t in parameters(law)
    ]
    return InputTypeError(
        f"the parameters of q and p are {', '.join(kinds)}; expected floating point, one dtype and one device: "
        "write .to(dtype=torch.float64) (or .to(device)) on the tensors that the laws are made from, "
        "and torch.tensor(1.0, dtype=torch.float64) for a number"
    )


def shape_error(q: Distribution, p: Distribution) -> Error | None:
    """That batch shapes do not broadcast, if so."""
    try:
        torch.broadcast_shapes(q.batch_shape, p.batch_shape)
    except RuntimeError:
        return InputValueError(
            f"q has batch shape {tuple(q.batch_shape)} and p has {tuple(p.batch_shape)}, expected shapes that "
            "broadcast: write unsqueeze or expand on the parameters of one of them"
        )
    return None


def attempt(q: Distribution, p: Distribution, compute: Callable[[], Tensor]) -> Tensor:
    """What ``compute`` returns; where torch refuses, the reason in terms of q and p."""
    try:
        return compute()
    except (RuntimeError, ValueError) as error:
        if isinstance(error, Error):
            raise
        cause = shape_error(q, p) or blame(q, p)
        kind = next((value.dtype for _, value in parameters(q)), torch.float64)
        if cause is None and isinstance(error, NotImplementedError) and kind not in (torch.float64, torch.float32):
            cause = InputTypeError(f"torch does not compute this in {kind}: write .double() on the parameters")
        raise cause or error from error


def blame(q: Distribution, p: Distribution) -> Error | None:
    """The first parameter that is NaN, outside its domain or infinite, if there is one."""
    sides = (("q", q), ("p", p))
    for side, law in sides:
        for name, value in parameters(law):
            if not value.is_meta and bool(torch.isnan(value).any()):
                missing = torch.isnan(value)
                return InputValueError(
                    f"{side}.{name} holds {int(missing.sum())} NaN of {value.numel()} values{_place(missing)}, "
                    "expected numbers"
                )
    for side, law in sides:
        for path, inner in inner_laws(law):
            for name, constraint in inner.arg_constraints.items():
                held = next((v for n, v in parameters(inner) if n == name), None)
                if held is not None and not held.is_meta:
                    error = outside(f"{side}.{path}{name}", held, constraint)
                    if error is not None:
                        return error
    for side, law in sides:
        for name, value in parameters(law):
            if not value.is_meta and not bool(torch.isfinite(value).all()):
                infinite = ~torch.isfinite(value)
                return InputValueError(
                    f"{side}.{name} holds {value[infinite][0].item()!r}{_place(infinite)}, expected finite numbers"
                )
    return None


def outside(name: str, value: Tensor, constraint: Any) -> Error | None:
    """That an element of a parameter does not meet its constraint, if so: that element, and the bound there."""
    if constraints.is_dependent(constraint):
        return None
    while type(constraint).__name__ == "_IndependentConstraint":
        constraint = constraint.base_constraint
    try:
        bad = ~constraint.check(value)
    except NotImplementedError:  # a matrix of a dtype that torch does not factorise
        return None
    if not bool(bad.any()):
        return None
    index = tuple(torch.nonzero(bad)[0].tolist())
    element = value[index]
    held = repr(element.item()) if element.ndim == 0 else f"{element.tolist()}"
    if element.numel() > 16:
        held = f"a {' by '.join(map(str, element.shape))} tensor"
    kind = type(constraint).__name__.lstrip("_")
    bounds = [
        f"{end}={_at(getattr(constraint, end), value, index)}"
        for end in ("lower_bound", "upper_bound")
        if hasattr(constraint, end)
    ]
    relative = any(isinstance(getattr(constraint, end, None), Tensor) for end in ("lower_bound", "upper_bound"))
    remedy = "write the lower bound first, as in Uniform(low, low + width)" if relative else REMEDIES.get(kind)
    if remedy is None:
        remedy = f"write torch.distributions.transform_to({constraint})(x) for any x"
    expected = f"{kind}({', '.join(bounds)})" if bounds else kind
    return InputValueError(f"{name} holds {held}{_place(bad)}, expected {expected}: {remedy}")


def _at(bound: Any, value: Tensor, index: tuple[int, ...]) -> Any:
    """A bound that may depend on another parameter, at one element."""
    if not isinstance(bound, Tensor):
        return bound
    return bound.expand(value.shape)[index].item() if bound.ndim <= value.ndim else bound.flatten()[0].item()


def _place(bad: Tensor) -> str:
    """Where the first of them is, if there is more than one place."""
    if bad.ndim == 0:
        return ""
    index = torch.nonzero(bad)[0].tolist()
    return f" at index {index[0] if len(index) == 1 else tuple(index)}"
