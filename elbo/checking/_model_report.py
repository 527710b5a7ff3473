"""What :func:`elbo.check_model` says about a model."""

import html
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from elbo.checking._report import Verdict, plain

DEFINITIONS = {
    "sampler-spread-misread": "The sampler and the KL read the spread differently.",
    "noise-scale": "The draws are not mean + σ · standard normal noise.",
    "sampler-draws-nothing": "The decoder is given the mean: no noise reaches it while training.",
    "effective-beta": "One term of the loss has a constant weight.",
    "reconstruction-averaged": "The reconstruction term is averaged over the pixels.",
    "kl-averaged-over-latent": "The KL is averaged over the latent dimensions.",
    "batch-reduction-mismatch": "One term is summed over the batch and the other averaged.",
    "sign-flipped": "A term has the wrong sign.",
    "evaluation-changes-objective": "The evaluation mode computes another objective than training.",
    "reported-differs-from-trained": "A reported number is not the objective that is trained, nor a term of it.",
    "collapsed-dimensions": "Some latent dimensions carry nothing: their posterior is the prior for all data.",
    "decoder-ignores-latent": "Another datum's latent reconstructs as well: the decoder does not use it.",
    "decoder-variance": "Exact for a Gaussian decoder of another variance than 1.",
    "overall-scale": "One factor stands on the whole loss.",
    "maximised": "The objective is the ELBO itself, to be maximised.",
    "unbiased-estimate": "The KL is estimated from the draw.",
    "dropout": "Dropout is active while training.",
}


@dataclass(frozen=True)
class ModelFinding:
    """One thing that was found, with its numbers."""

    code: str
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    fix: str = ""


@dataclass(frozen=True)
class Estimate:
    """A mean in nats per datum, with its standard errors over the data and over the noise."""

    mean: float
    over_data: float
    over_noise: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.over_data:.4f} (data) ± {self.over_noise:.4f} (noise)"


@dataclass(frozen=True)
class Latent:
    """KL in nats and variance of the posterior mean over the data, one each dimension; which dimensions are active."""

    kl: tuple[float, ...]
    variance_of_mean: tuple[float, ...]
    active: tuple[int, ...]


@dataclass(frozen=True)
class ModelReport:
    """The answer of :func:`elbo.check_model`; true only if the verdict is ``"correct"``."""

    model: str
    verdict: Verdict
    found: Mapping[str, str] = field(default_factory=dict)
    mistakes: tuple[ModelFinding, ...] = ()
    notes: tuple[ModelFinding, ...] = ()
    computes: str = ""
    loss: Estimate | None = None
    negative_elbo: Estimate | None = None
    difference: Estimate | None = None
    latent: Latent | None = None
    unseen: tuple[str, ...] = ()
    seed: int = 0

    def __bool__(self) -> bool:
        return self.verdict == "correct"

    def to_dict(self) -> dict[str, Any]:
        """All fields in JSON's types."""
        names = ("model", "verdict", "found", "computes", "unseen", "seed")
        data: dict[str, Any] = {name: plain(getattr(self, name)) for name in names}
        for name in ("mistakes", "notes"):
            data[name] = [plain(vars(finding)) for finding in getattr(self, name)]
        for name in ("loss", "negative_elbo", "difference", "latent"):
            value = getattr(self, name)
            data[name] = None if value is None else plain(vars(value))
        return data

    def __str__(self) -> str:
        lines = [f"{self.model}: {self.verdict.upper()}"]
        lines += [_wrap(f"{name}: ", where) for name, where in self.found.items()]
        if self.computes:
            lines.append(_wrap("computes: ", self.computes))
        for title, findings in (("mistake", self.mistakes), ("note", self.notes)):
            for finding in findings:
                lines.append(_wrap(f"{title} [{finding.code}] ", finding.message))
                if finding.fix:
                    lines.append(_wrap("    write: ", finding.fix))
        if self.loss is not None:
            lines.append(f"loss, per datum:          {self.loss}")
        if self.negative_elbo is not None:
            lines.append(f"negative ELBO, our own:   {self.negative_elbo}")
        if self.difference is not None:
            lines.append(f"difference:               {self.difference}")
        if self.latent is not None:
            kl = ", ".join(f"{value:.3g}" for value in self.latent.kl[:12])
            more = ", …" if len(self.latent.kl) > 12 else ""
            lines.append(f"KL of each dimension:     {kl}{more} nats")
            lines.append(f"active dimensions:        {len(self.latent.active)} of {len(self.latent.kl)}")
        lines += [_wrap("not seen: ", text) for text in self.unseen]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        colour = {"correct": "#1a7f37", "wrong": "#b3261e", "undecided": "#8a6100"}[self.verdict]
        first, _, rest = str(self).partition("\n")
        return (
            f"<div class='elbo-report'><p><strong style='color:{colour}'>{html.escape(first)}</strong></p>"
            f"<pre>{html.escape(rest)}</pre></div>"
        )


def _wrap(head: str, text: str) -> str:
    return textwrap.fill(text, width=110, initial_indent=head, subsequent_indent="    ", break_long_words=False)
