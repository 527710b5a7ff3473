"""Which function computes KL[q ‖ p] for which two types, what is known about it, and the call that finds it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from torch import Size, Tensor, broadcast_shapes
from torch.distributions import Distribution, ExponentialFamily, MixtureSameFamily

from elbo._errors import Error, InputTypeError, InputValueError
from elbo.divergences._diagnosis import attempt, blame, wrong_kinds
from elbo.divergences._domain import holds_nan
from elbo.divergences._elementwise import transformed

Divergence = Callable[..., Tensor]
TEXTBOOK = "any textbook: −H(q) − E_q log p"  # a source
OWN = "elbo."  # modules whose functions are tested, and not looked at in each call
WIDE = (Distribution, ExponentialFamily)  # a pair of these says nothing of the law at hand


@dataclass(frozen=True)
class Pair:
    """What the registry knows about one pair of types.

    Attributes:
        q, p: the types of the two laws in KL[q ‖ p].
        formula: the closed form, as it is known; the code writes it so that it keeps its digits.
        conditions: where it holds, and where the value is infinite.
        accuracy: the largest relative error against 60 digits, in ulps (units of the machine epsilon of the dtype),
            that the tests allow over the whole domain; ``inf`` where no bound holds.
        note: why the accuracy is not 8 or better, where it is not, and what was measured.
        source: where the formula comes from.
        function: what computes it; a user's function with a look at what it returns.
        checked: whether ``function`` refuses NaN in the parameters itself.
    """

    q: type[Distribution]
    p: type[Distribution]
    formula: str
    conditions: str
    accuracy: float
    note: str
    source: str
    function: Divergence
    checked: bool = False

    def __str__(self) -> str:
        return f"KL[{self.q.__name__} ‖ {self.p.__name__}] = {self.formula}"


_PAIRS: dict[tuple[type, type], Pair] = {}
_REPLACED: dict[tuple[type, type], list[Pair]] = {}  # what registering hid, the latest last
_FOUND: dict[tuple[type, type], Pair] = {}


def register(
    type_q: type[Distribution],
    type_p: type[Distribution],
    *,
    formula: str = "",
    conditions: str = "",
    accuracy: float = float("inf"),
    note: str = "",
    source: str = "",
    checked: bool = False,
) -> Callable[[Divergence], Divergence]:
    """Make the decorated ``function(q, p)`` the one that ``elbo.kl`` calls for these two types and their subclasses.

    Args:
        type_q: the type of q, a subclass of ``torch.distributions.Distribution``.
        type_p: the type of p.
        formula: the closed form, for ``elbo.kl_pairs()``.
        conditions: where it holds.
        accuracy: its largest relative error in ulps, ``inf`` where none is claimed.
        note: anything to add to the accuracy.
        source: where the formula comes from.
        checked: whether the function raises an error for NaN in the parameters, so that its values need no look.

    Returns:
        a decorator that returns the function unchanged. A pair that is already registered, be it one of elbo's own, is
        replaced until :func:`unregister` is called for it (a function of the same name for good). What the function
        returns has to be a tensor with one value for each element of the common batch shape of q and p: otherwise
        ``elbo.kl`` raises an error that names it.

    Raises:
        InputTypeError: if one of the types is not a subclass of ``Distribution``.

    Example:
        >>> from torch.distributions import Normal
        >>> class Shifted(Normal):
        ...     pass
        >>> @register(Shifted, Shifted, formula="(a - b)^2 / 2", accuracy=4)
        ... def shifted(q, p):
        ...     return (q.loc - p.loc) ** 2 / 2
        >>> kl(Shifted(3.0, 1.0), Shifted(1.0, 1.0))
        tensor(2.)
        >>> unregister(Shifted, Shifted)
    """
    _check_types(type_q, type_p)

    def decorate(function: Divergence) -> Divergence:
        called = function if _name(function).startswith(OWN) else _looked_at(function, type_q, type_p)
        hidden = _PAIRS.get((type_q, type_p))
        if hidden is not None and _name(hidden.function) != _name(function):  # not where a cell is run once more
            _REPLACED.setdefault((type_q, type_p), []).append(hidden)
        _PAIRS[type_q, type_p] = Pair(type_q, type_p, formula, conditions, accuracy, note, source, called, checked)
        _FOUND.clear()
        return function

    return decorate


def _looked_at(function: Divergence, type_q: type, type_p: type) -> Divergence:
    """A stranger's function, with an error for what is not one value for each element of the batch."""
    name = f"the function registered for KL[{type_q.__name__} ‖ {type_p.__name__}], {_name(function)}"

    @wraps(function, updated=())  # an instance of a class has a state of its own
    def call(q: Distribution, p: Distribution) -> Tensor:
        value = function(q, p)
        if not isinstance(value, Tensor):
            raise InputTypeError(
                f"{name}, returned {value!r}, expected a tensor with one value for each element of the batch: write "
                "return torch.as_tensor(value)"
            )
        if value.shape != q.batch_shape or value.shape != p.batch_shape:
            expected = broadcast_shapes(q.batch_shape, p.batch_shape)
            if value.shape != expected:
                raise InputValueError(
                    f"{name}, returned shape {tuple(value.shape)}, expected {tuple(expected)}, one value for each "
                    "element of the common batch shape: sum over the dimensions of the event, and over no others"
                )
        return value

    return call


def _name(function: Divergence) -> str:
    module, name = (getattr(function, key, None) for key in ("__module__", "__qualname__"))
    return ".".join(filter(None, (module, name or repr(function))))  # no module where code is run from text


def _check_types(type_q: object, type_p: object) -> None:
    for name, kind in (("type_q", type_q), ("type_p", type_p)):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise InputTypeError(
                f"{name} is {kind!r}, expected a subclass of torch.distributions.Distribution: write the class itself"
            )


def unregister(type_q: type[Distribution], type_p: type[Distribution]) -> None:
    """Forget what was registered last for exactly this pair of types; what it had replaced is there again.

    Args:
        type_q, type_p: the types as they were given to :func:`register`; bases and subclasses do not count.

    Raises:
        InputTypeError: if one of the types is not a subclass of ``Distribution``.
        InputValueError: if nothing is registered for exactly these types.
    """
    _check_types(type_q, type_p)
    if (type_q, type_p) not in _PAIRS:
        raise InputValueError(
            f"nothing is registered for exactly KL[{type_q.__name__} ‖ {type_p.__name__}]: "
            "elbo.kl_pairs() lists what is"
        )
    replaced = _REPLACED.get((type_q, type_p))
    if replaced:
        _PAIRS[type_q, type_p] = replaced.pop()
    else:
        del _PAIRS[type_q, type_p]
    _FOUND.clear()


def kl_pairs() -> list[Pair]:
    """Every registered pair with its formula, conditions, accuracy and source, sorted by name.

    Example:
        >>> from torch.distributions import Normal
        >>> [str(pair) for pair in kl_pairs() if pair.q is pair.p is Normal]
        ['KL[Normal ‖ Normal] = ½[(s₁/s₂)² − 1 − log (s₁/s₂)² + (m₁ − m₂)²/s₂²]']
    """
    return sorted(_PAIRS.values(), key=lambda pair: (pair.q.__name__, pair.p.__name__))


def find(type_q: type, type_p: type) -> Pair:
    """The registered pair for these types: the nearest base classes of q first, then of p."""
    for name, kind in (("q", type_q), ("p", type_p)):
        if not issubclass(kind, Distribution):
            raise InputTypeError(
                f"{name} is a {kind.__name__}, expected a torch.distributions.Distribution such as Normal(loc, scale)"
            )
    for kind_q in type_q.__mro__:
        for kind_p in type_p.__mro__:
            found = _PAIRS.get((kind_q, kind_p))
            if found is not None:
                _FOUND[type_q, type_p] = found
                return found
    raise unregistered(type_q, type_p)


def unregistered(type_q: type, type_p: type) -> Error:
    """That there is no formula for these types: which pairs with one of them have one, and what else to write."""

    def names(pairs: list[Pair]) -> str:
        return ", ".join(f"{pair.q.__name__} ‖ {pair.p.__name__}" for pair in pairs) or "none"

    q, p = type_q.__name__, type_p.__name__
    same_q = [pair for pair in kl_pairs() if issubclass(type_q, pair.q) and pair.q not in WIDE]
    same_p = [pair for pair in kl_pairs() if issubclass(type_p, pair.p) and pair.p not in WIDE]
    mixtures = (
        "elbo.divergences.mixture_kl_bounds(q, p) for mixtures of Gaussians (numbers between which KL lies), "
        if issubclass(type_q, MixtureSameFamily) or issubclass(type_p, MixtureSameFamily)
        else ""
    )
    return UnregisteredPairError(
        f"KL[{q} ‖ {p}] is not registered. Registered with the same q: {names(same_q)}; with the same p: "
        f"{names(same_p)}. "
        f"Write {mixtures}elbo.divergences.kl_by_quadrature(q, p) for laws of one variable, of up to three "
        "coordinates, of independent coordinates (the Independent laws themselves) or of outcomes that can be listed "
        f"(a number with an error bound), or register a formula of your own: @elbo.register({q}, {p})"
    )


class UnregisteredPairError(InputTypeError, NotImplementedError):
    """No function is registered for a pair of types (also a ``NotImplementedError``, as torch raises it)."""


PLAIN = {Size, bool, int, float, type(None)}  # what else a law holds; a set, as isinstance of Tensor takes its time


def _check_kinds(q: Distribution, p: Distribution) -> None:
    """All tensors of floating point, of one dtype and on one device, also those of the laws inside."""
    first: Tensor | None = None
    laws = [q, p]
    for law in laws:
        for value in law.__dict__.values():
            if type(value) in PLAIN:
                continue
            if isinstance(value, Tensor):
                if first is None:
                    first, dtype, on_cpu = value, value.dtype, value.is_cpu
                    if not dtype.is_floating_point:
                        raise wrong_kinds(q, p)
                elif (
                    value.dtype is not dtype
                    or value.is_cpu is not on_cpu
                    or (not on_cpu and value.device != first.device)
                ):
                    raise wrong_kinds(q, p)
            elif isinstance(value, Distribution):
                laws.append(value)


def _diagnose(q: Distribution, p: Distribution, pair: Pair) -> Error:
    """Why KL came out as NaN: a parameter that is not in its domain, by name."""
    return blame(q, p) or Error(
        f"{pair} gave NaN for parameters in their domain: this is a mistake of the formula, please report it with "
        f"q and p"
    )


def kl(q: Distribution, p: Distribution) -> Tensor:
    """KL[q ‖ p] in nats, accurate also where q and p are nearly equal.

        KL[q ‖ p] = E_q[log q(z) − log p(z)]

    Args:
        q, p: ``torch.distributions`` objects with the same event shape, batch shapes that broadcast, one dtype,
        one device.

    Returns:
        one value for each element of the common batch shape: never negative, zero if the laws are equal, ``inf``
        where q has mass that p lacks. Differentiable to any order in the parameters of both.

    Raises:
        InputTypeError: for things that are not distributions, for mixed dtypes or devices, for integer parameters.
        UnregisteredPairError: where no formula is registered; it names the nearest and the numerical route.
        InputValueError: for event or batch shapes that do not fit, and for parameters that are NaN or outside
            their domain, whether or not the laws looked at them when they were made: it names the first element, what
            is expected there and what to write. (Within ``torch.func`` and ``torch.compile`` values cannot be looked
            at; what comes out is NaN.)

    Conditions: ``elbo.kl_pairs()`` has them for each pair, with its accuracy.

    Example:
        >>> import torch
        >>> from torch.distributions import Normal
        >>> q = Normal(torch.tensor([1e-7], dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64))
        >>> p = Normal(torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64))
        >>> kl(q, p)
        tensor([5.0000e-15], dtype=torch.float64)
    """
    pair = _FOUND.get((type(q), type(p))) or find(type(q), type(p))
    if q._event_shape != p._event_shape:
        raise InputValueError(
            f"q has event shape {tuple(q.event_shape)} and p has {tuple(p.event_shape)}, expected the same: "
            "write Independent(law, n) to make the last n batch dimensions part of the event"
        )
    _check_kinds(q, p)
    result = attempt(q, p, lambda: pair.function(q, p))
    if not pair.checked and not transformed() and holds_nan(result):
        raise _diagnose(q, p, pair)
    return result
