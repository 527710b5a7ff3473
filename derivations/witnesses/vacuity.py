"""Whether anything at all meets the conditions of a derivation: what holds of nothing has not been shown."""

import math
from functools import partial
from itertools import product
from typing import Any

from derivations.language.conditions import Condition
from derivations.language.derivation import Derivation, Instance
from derivations.language.free import variables, walk
from derivations.language.terms import Density, Parameter, Term


def vacuous(derivation: Derivation, conditions: tuple[Condition, ...], tables: bool) -> str:
    """Why no instance meets the conditions; empty if one does.

    Tables with positive entries meet every condition about densities, so where ``tables`` apply only the
    requirements on parameters are left to be met.
    """
    required = derivation.requirements
    if tables and not required:
        return ""
    failures = []
    for instance in derivation.instances:
        failed = _failed(derivation, instance, (*required, *conditions))
        if failed is None:
            return ""
        failures.append(f"{instance.name}: {failed}")
    if failures:
        return f"no instance meets the conditions ({'; '.join(failures)})"
    if required and not _satisfiable(derivation):
        return f"no parameters meet {' and '.join(map(str, required))}"
    return "" if tables else "there is no instance, and tables do not apply"


def _failed(derivation: Derivation, instance: Instance, conditions: tuple[Condition, ...]) -> Condition | None:
    """The first condition that an instance does not meet."""
    from derivations.witnesses.numeric import Numeric
    from derivations.witnesses.place import Place
    from derivations.witnesses.spaces import InstanceSpace
    from derivations.witnesses.verdict import NotApplicable

    model = derivation.model
    for condition in conditions:
        try:
            values = []
            for points, width in ((60, 6.0), (90, 7.0)):
                numeric = Numeric(model, InstanceSpace(instance, model.copies, points, width))
                about = condition.about
                place: Place = next(iter(numeric.space.places(variables(about))))  # type: ignore[attr-defined]
                if condition.kind in (">=", ">"):
                    values.append(float(numeric.value(about[0], place) - numeric.value(about[1], place)))
                elif condition.kind == "absolutely continuous":
                    values.append(_covered(numeric, about, place))
                elif condition.kind == "integrable":
                    q, f = about
                    assert isinstance(q, Density)
                    values.append(float(numeric.expectation(q, partial(_size, numeric, f), place)))
        except NotApplicable:
            continue
        if not values:
            continue
        fine = values[-1]
        if not math.isfinite(fine) or (condition.kind == ">=" and fine < 0) or (condition.kind == ">" and fine <= 0):
            return condition
        if condition.kind == "integrable" and abs(values[1] - values[0]) > 1e-2 * (1 + abs(fine)):
            return condition
        if condition.kind == "absolutely continuous" and fine > 0:
            return condition
    return None


def _size(numeric: Any, body: Term, place: Any) -> Any:
    """The absolute value of the integrand."""
    return numeric.value(body, place).abs()


def _covered(numeric: object, about: tuple[object, ...], place: object) -> float:
    """The mass of q where p is zero."""
    import torch

    from derivations.language.functionals import densities_of
    from derivations.witnesses.numeric import Numeric
    from derivations.witnesses.place import Place

    q, p = about
    assert isinstance(numeric, Numeric)
    assert isinstance(place, Place)
    assert isinstance(q, Density)

    def missing(inner: Place) -> torch.Tensor:
        logs = torch.stack(torch.broadcast_tensors(*(numeric.log_density(d, inner) for d in densities_of(p))))  # type: ignore[arg-type]
        return torch.isinf(logs).any(0).to(torch.float64)

    return float(numeric.expectation(q, missing, place))


def _satisfiable(derivation: Derivation) -> bool:
    """Whether some parameters on a coarse grid meet the requirements."""
    from derivations.witnesses.numeric import Numeric
    from derivations.witnesses.place import Place
    from derivations.witnesses.spaces import InstanceSpace

    named = sorted(
        {p for r in derivation.requirements for p in walk(r.about) if isinstance(p, Parameter)}, key=lambda p: p.name
    )
    for values in product((-2.0, -0.5, 0.25, 0.5, 1.0, 2.0), repeat=len(named)):
        if any(p.positive and v <= 0 for p, v in zip(named, values, strict=True)):
            continue
        instance = Instance("grid", {}, parameters=dict(zip(named, values, strict=True)))
        numeric = Numeric(derivation.model, InstanceSpace(instance, {}))
        gaps = [
            float(numeric.value(r.about[0], Place({})) - numeric.value(r.about[1], Place({})))
            for r in derivation.requirements
        ]
        if all(g > 0 or (g == 0 and r.kind == ">=") for g, r in zip(gaps, derivation.requirements, strict=True)):
            return True
    return False
