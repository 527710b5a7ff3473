"""Where a density comes from: every density of a name is a marginal or a conditional of one joint."""

from dataclasses import dataclass

from derivations.language import terms as t
from derivations.language.free import rename, variables
from derivations.language.model import Model
from derivations.language.normal import canonical_density
from derivations.witnesses.verdict import NotApplicable


@dataclass(frozen=True)
class Origin:
    """``density = sum of joint over summed / sum of joint over summed and the variables`` (the latter only if
    ``divide``).
    """

    joint: t.Term
    summed: tuple[t.Variable, ...]
    divide: bool


class Families:
    """The joints of a model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.primitives = {canonical_density(d): d for d in model.primitives}
        self._joints: dict[str, tuple[t.Term, frozenset[t.Variable]]] = {}
        for name, joint in model.joints.items():
            self._joints[name] = (joint, self._generated(joint, name))
        names = {d.name for d in model.primitives}
        for name in sorted(names - set(self._joints)):
            parts = [d for d in model.primitives if d.name == name]
            joint = parts[0] if len(parts) == 1 else t.Product(tuple(parts))
            self._joints[name] = (joint, frozenset(v for d in parts for v in d.variables))
        for definition in model.definitions:
            left = definition.left
            if isinstance(left, t.Density) and left.name not in self._joints:
                self._joints[left.name] = (definition.right, frozenset(left.variables))

    def defines(self, density: t.Density) -> bool:
        """Whether this density's own definition is what its family rests on."""
        return density.name not in self.model.joints and all(d.name != density.name for d in self.model.primitives)

    def _generated(self, joint: t.Term, name: str) -> frozenset[t.Variable]:
        from derivations.language.functionals import densities_of

        try:
            return frozenset(v for d in densities_of(joint) for v in d.variables)
        except ValueError:
            return variables(joint)

    def original(self, density: t.Density) -> tuple[t.Density, dict[t.Variable, t.Variable]]:
        """The density in the names of the original variables, and the renaming."""
        names = {v: self.model.copies[v] for v in (*density.variables, *density.given) if v in self.model.copies}
        known = density.name in self._joints and set(names) <= self._joints[density.name][1]
        if not names or known:
            return density, {}
        if len(set(names.values())) < len(names):
            raise NotApplicable(
                f"{density} is over several copies of one variable, and no definition says which law it is"
            )
        renamed: t.Density = rename(density, names)
        return renamed, names

    def origin(self, density: t.Density) -> Origin:
        """How ``density`` (not a primitive, no copies) comes from its joint."""
        if density.name not in self._joints:
            raise NotApplicable(f"nothing says what {density} is; add it to the primitives of the model")
        joint, generated = self._joints[density.name]
        strange = set(density.variables) - generated
        if strange:
            raise NotApplicable(
                f"the law {density.name!r} does not generate {', '.join(sorted(v.name for v in strange))}"
            )
        kept = set(density.variables) | set(density.given)
        outside = variables(joint) - generated - set(density.given)
        if outside:
            raise NotApplicable(f"{density} needs {', '.join(sorted(v.name for v in outside))} among what is given")
        summed = tuple(sorted(generated - kept, key=lambda v: v.name))
        return Origin(joint, summed, bool(generated & set(density.given)))
