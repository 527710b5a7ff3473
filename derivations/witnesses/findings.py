"""All that one witness says about one derivation."""

import time
from dataclasses import dataclass
from typing import Any

from derivations.language.derivation import Derivation
from derivations.language.proof import needless
from derivations.witnesses import cache
from derivations.witnesses.by_moments import ByMoments
from derivations.witnesses.by_rules import ByRules
from derivations.witnesses.by_tables import ByTables
from derivations.witnesses.statement import Statement
from derivations.witnesses.verdict import WITNESSES, Judgement
from elbo._errors import InputValueError

ALPHA = 1e-9  # false-alarm probability of all draws of one derivation, unless the caller has a budget


@dataclass(frozen=True)
class Findings:
    """Judgements on the steps, on the definitions (None: not asked) and on the wrong variants, the time it took, and,
    where the witness are the rules, for each step the rules that it cites without need.
    """

    steps: tuple[Judgement, ...]
    axioms: tuple[Judgement | None, ...]
    wrong: tuple[Judgement, ...]
    seconds: float
    needless: tuple[tuple[str, ...], ...] = ()


def witness(derivation: Derivation, name: str, seed: int = 0, alpha: float = ALPHA) -> Any:
    """The witness of that name, ready to be asked about ``derivation``."""
    match name:
        case "rules":
            return ByRules(derivation)
        case "tables":
            return ByTables(derivation)
        case "moments":
            return ByMoments(derivation)
        case "quadrature":
            from derivations.witnesses.by_quadrature import ByQuadrature

            return ByQuadrature(derivation)
        case "draws":
            from derivations.witnesses.by_draws import ByDraws

            return ByDraws(derivation, seed, alpha / len(derivation.steps))
    raise InputValueError(f"no witness is called {name!r}; write one of {', '.join(WITNESSES)}")


def findings(derivation: Derivation, name: str, seed: int = 0, alpha: float = ALPHA, cached: bool = False) -> Findings:
    """Ask one witness about everything; ``cached`` takes what was found before for the same content."""
    chance = (seed, alpha) if name == "draws" else ()
    key = cache.fingerprint(cache.tools(), derivation, name, chance) if cached else ""
    kept = cache.load(key) if cached else None
    if kept is not None:
        steps, axioms, wrong = (tuple(cache.from_json(j) for j in kept[part]) for part in ("steps", "axioms", "wrong"))
        without_need = tuple(tuple(names) for names in kept["needless"])
        return Findings(steps, axioms, wrong, kept["seconds"], without_need)  # type: ignore[arg-type]
    found = _ask(derivation, name, seed, alpha)
    if cached:
        parts = {part: [cache.to_json(j) for j in getattr(found, part)] for part in ("steps", "axioms", "wrong")}
        more = {"seconds": found.seconds, "needless": found.needless, "slug": derivation.slug, "witness": name}
        cache.save(key, {**parts, **more})
    return found


def _ask(derivation: Derivation, name: str, seed: int, alpha: float) -> Findings:
    start = time.perf_counter()
    asked = witness(derivation, name, seed, alpha)
    steps = tuple(asked.ask(Statement(before, s.relation, s.expression, s.by)) for before, s in derivation.links())
    axiom = getattr(asked, "axiom", None)
    axioms = tuple(axiom(d) if axiom else None for d in derivation.model.definitions)
    wrong = tuple(
        asked.ask(Statement(derivation.start if w.left is None else w.left, w.relation, w.expression))
        for w in derivation.wrong
    )
    without_need = (
        tuple(
            needless(before, s.relation, s.expression, derivation.model, s.by) if j.confirmed else ()
            for (before, s), j in zip(derivation.links(), steps, strict=True)
        )
        if name == "rules"
        else ()
    )
    return Findings(steps, axioms, wrong, time.perf_counter() - start, without_need)
