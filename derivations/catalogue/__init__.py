"""The catalogue: one file a subject, each with a tuple ``DERIVATIONS``. A new file is found, judged, tested and
printed without more.

How a file looks (see ``posterior_route.py`` for one in full)::

    from derivations.catalogue._sources import S0, KINGMA_WELLING_2014
    from derivations.language import KL, Definition, Density, Derivation, E, Model, Step, Variable, Wrong, log

    z, x = Variable("z"), Variable("x")
    q, prior = Density("q", z, given=x), Density("p", z)         # all densities called p belong to one law
    likelihood, posterior, evidence = Density("p", x, given=z), Density("p", z, given=x), Density("p", x)

    model = Model(
        primitives=(prior, likelihood, q),                       # these may be anything; p(x), p(x, z), p(z | x)
        follow from them definitions=(Definition("Bayes", posterior, likelihood * prior / evidence),),   # used from
        left to right; judged on tables
    )

    DERIVATIONS = (
        Derivation(
            title=..., slug="posterior-kl", statement="...$...$...", model=model,
            start=KL(q, posterior),
            steps=(Step(E(q, log(q / posterior)), "definition of KL"), Step(..., ("Bayes", "log of a product"))),
            wrong=(Wrong(expression, "why people write it"),),   # start = expression must be rejected by two witnesses
            sources=(S0("line 11"), KINGMA_WELLING_2014("eq. 1")),
            implements=("elbo.bounds.elbo",), depends_on=(),
        ),
    )

A step is ``previous relation expression``; it cites exactly the rules that it needs (``derivations.language.RULES``,
and the definitions of its model by name). Each step must be confirmed by two witnesses: the rules always; tables unless
vectors, derivatives by variables or roots are involved; moments, quadrature and draws where there are ``instances``.
A bound is an identity and then ``Step(..., "Gibbs", relation=">=")``.
"""

import importlib
import pkgutil
from collections import Counter
from functools import lru_cache

from derivations.language.derivation import Derivation
from elbo._errors import InputValueError


@lru_cache(maxsize=1)
def catalogue() -> tuple[Derivation, ...]:
    """Every derivation, in the order of the files."""
    found: list[Derivation] = []
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        if not info.name.startswith("_"):
            found.extend(importlib.import_module(f"{__name__}.{info.name}").DERIVATIONS)
    twice = [slug for slug, n in Counter(d.slug for d in found).items() if n > 1]
    if twice:
        raise InputValueError(f"two derivations share a slug: {', '.join(twice)}; slugs must be unique")
    slugs = {d.slug for d in found}
    for d in found:
        dangling = [other for other in d.depends_on if other not in slugs]
        if dangling:
            raise InputValueError(f"{d.slug} depends on {', '.join(dangling)}, which the catalogue does not have")
    _refuse_cycles(found)
    return tuple(found)


def find(slug: str) -> Derivation:
    """The derivation of that slug."""
    for derivation in catalogue():
        if derivation.slug == slug:
            return derivation
    raise InputValueError(
        f"no derivation is called {slug!r}; the catalogue has {', '.join(d.slug for d in catalogue())}"
    )


def _refuse_cycles(found: list[Derivation]) -> None:
    open_ = {d.slug: set(d.depends_on) for d in found}
    while open_:
        ready = [slug for slug, needs in open_.items() if not needs & set(open_)]
        if not ready:
            raise InputValueError(f"derivations depend on each other in a circle: {', '.join(sorted(open_))}")
        for slug in ready:
            del open_[slug]
