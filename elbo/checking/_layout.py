"""The arguments of a whole loss: which of them are data and which latent, and which output is the loss."""

import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from elbo.checking import _sizes
from elbo.checking._case import Case
from elbo.checking._guard import FunctionError
from elbo.checking._subject import as_tensor, readings

PAIRINGS = ("PPDD", "DDPP", "PDDP", "DPPD", "PDPD", "DPDP")


@dataclass
class Layout:
    """Which arguments are data and which latent, and whether the data must be binary."""

    letters: tuple[str, ...]
    binary: int | None = None

    @property
    def data(self) -> tuple[int, ...]:
        """Positions of recon and x."""
        return tuple(i for i, ls in enumerate(self.letters) if ls == "BP")

    @property
    def latent(self) -> tuple[int, ...]:
        """Positions of mean and spread."""
        return tuple(i for i, ls in enumerate(self.letters) if ls == "BD")

    def draw(self, case: Case, sizes: _sizes.Sizes) -> list[Tensor]:
        """A random input for every argument."""
        tensors = []
        for i, ls in enumerate(self.letters):
            shape = sizes.shape(ls)
            if i == self.binary:
                tensors.append(case.binary(shape))
            else:
                tensors.append(case.uniform(shape, 0.1, 0.9) if ls == "BP" else case.uniform(shape, 0.3, 2.2))
        return tensors


def find_layouts(case: Case, base: _sizes.Sizes | None) -> list[tuple[Layout, _sizes.Sizes]]:
    """Every layout that the function accepts, with sizes; the usual order first."""
    found: list[tuple[Layout, _sizes.Sizes]] = []
    first: FunctionError | None = None
    # every order of the arguments at the usual sizes, and only then a search for a size that the function insists on
    for usual_only, pairing in itertools.product((True, False), PAIRINGS):
        letters = tuple("B" + p for p in pairing)
        positions = [i for i, p in enumerate(pairing) if p == "P"]
        for binary in (None, positions[1], positions[0]) if usual_only else (None, positions[1]):
            layout = Layout(letters, binary)
            try:
                run = functools.partial(call_once, case, layout)
                sizes = _sizes.find(run, "BPD", base, usual_only=usual_only)
            except FunctionError as error:
                first = first or error
                continue
            found.append((layout, sizes))
            break
        if found:
            break
    if not found:
        assert first is not None
        raise first
    for pairing in PAIRINGS:
        letters = tuple("B" + p for p in pairing)
        if letters == found[0][0].letters:
            continue
        layout = Layout(letters, found[0][0].binary)
        if layout.binary in (None, *layout.data) and case.attempt(*layout.draw(case, found[0][1])) is not None:
            found.append((layout, found[0][1]))
    return found


def call_once(case: Case, layout: Layout, sizes: _sizes.Sizes) -> None:
    """See whether the function accepts these sizes."""
    case.subject.raw(*layout.draw(case, sizes))


def settle_reading(case: Case, tensors: list[Tensor]) -> None:
    """Of several outputs take the first that depends on every argument."""
    subject = case.subject
    subject.read, subject.reading = None, ""
    out = subject.raw(*tensors)
    options = readings(out, subject.name)
    if len(options) == 1:
        subject.tensor(*tensors)
        return
    moved = [
        subject.raw(*[t * 0.9 + 0.05 if i == j else t for j, t in enumerate(tensors)]) for i in range(len(tensors))
    ]
    for read, words in options:
        try:
            now = as_tensor(read(out), subject.name).sum()
            if all(float((as_tensor(read(m), subject.name).sum() - now).abs()) > 1e-12 for m in moved):
                subject.read, subject.reading = read, words
                return
        except Exception:  # an element that is no tensor
            continue
    subject.read, subject.reading = options[0]


@dataclass
class Fixed:
    """The arguments outside a block, drawn once for each size."""

    case: Case
    layout: Layout
    cache: dict[_sizes.Sizes, list[Tensor]]
    positions: tuple[int, ...]

    def __call__(self, sizes: _sizes.Sizes) -> Mapping[int, Tensor]:
        if sizes not in self.cache:
            self.cache[sizes] = self.layout.draw(self.case, sizes)
        return {i: self.cache[sizes][i] for i in self.positions}
