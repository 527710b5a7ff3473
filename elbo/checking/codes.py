"""Every code that a report can carry: the one table that messages, the documentation and the tests are written from."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["note", "mistake"]


@dataclass(frozen=True)
class Code:
    """One kind of finding.

    Args:
        name: as it stands in ``finding.code``.
        kind: a ``note`` (the function is right, the user should know) or a ``mistake``.
        family: the chapter of the page "How VAE losses go wrong".
        definition: what the finding says, in one sentence.
        fingerprint: how the checker recognises it from the outside.
        effect: what the user's model trains instead.
        fix: the line to write.
        page: the derivation of the right formula, by its slug in the catalogue; empty where there is none.
    """

    name: str
    kind: Kind
    family: str
    definition: str
    fingerprint: str
    effect: str
    fix: str
    page: str = "gaussian-kl-standard"


def _note(
    name: str, definition: str, fingerprint: str, effect: str, fix: str = "nothing", page: str = "gaussian-kl-standard"
) -> Code:
    return Code(name, "note", "notes", definition, fingerprint, effect, fix, page)


def _mistake(name: str, family: str, definition: str, fingerprint: str, effect: str, fix: str, page: str) -> Code:
    return Code(name, "mistake", family, definition, fingerprint, effect, fix, page)


_TABLE = (
    _note(
        "overall-scale",
        "One constant factor stands on everything.",
        "Every term has the same weight, which is not one.",
        "Same optimum; the learning rate is rescaled, and reported values must be divided by the factor.",
        "divide by the factor where values are reported or compared",
        "elbo-forms",
    ),
    _note(
        "name-contradicts-maths",
        "The spread argument is not what its name says.",
        "The value is exact for another parametrisation than the parameter's name suggests.",
        "Exact if the caller passes what the mathematics reads; wrong if the caller believes the name.",
        "rename the argument",
    ),
    _note(
        "constant-dropped",
        "An additive constant is missing; gradients are exact.",
        "The value differs from the contract by a constant that depends on the shape alone.",
        "Training is the same; values are not log-likelihoods and must not be compared between models.",
        "add the constant where values are reported",
        "elbo-forms",
    ),
    _note(
        "decoder-variance",
        "The reconstruction term is exact for a decoder variance (or scale) that is not one.",
        "Its weight is 1/(2σ²) with σ² ≠ 1.",
        "The model is a VAE with that fixed decoder variance; equivalently β = σ² with a unit variance.",
        "state the variance, or write ½(x−x̂)² for σ² = 1",
        "squared-error-objective",
    ),
    _note(
        "maximised",
        "The function returns the bound itself (+ELBO, +L_K), to be maximised.",
        "Every term has the opposite sign.",
        "None, if it is maximised; minimising it makes the model as bad as possible.",
        "negate it before a minimiser sees it",
        "elbo-forms",
    ),
    _note(
        "free-bits",
        "Each latent dimension (or the whole KL) is charged at least λ nats.",
        "The value is flat below λ and exact above.",
        "No pressure on a dimension below λ; still a lower bound on log p(x).",
        page="free-bits",
    ),
    _note(
        "capacity",
        "The KL is pulled towards a capacity C: γ|KL − C|.",
        "The value is γ(KL − C) above C and its mirror image below.",
        "The rate is steered to C; the objective is not a bound.",
        page="beta-vae",
    ),
    _note(
        "gradient-split",
        "The value is exact and the gradient is weighted by design (a stop-gradient on part of it).",
        "Automatic and numerical gradients differ by one positive factor an argument.",
        "The two distributions are pulled at different speeds (KL balancing).",
    ),
    _note(
        "surrogate-value",
        "The gradient is exact; the value is not the bound.",
        "Gradients agree with the contract, values do not.",
        "Training is right; do not report the value.",
        "report the bound from a separate expression",
        "iwae-gap",
    ),
    _note(
        "unbiased-estimate",
        "Right in expectation over the noise, not for each draw.",
        "The exact expectation, by replacing the noise with quadrature nodes, equals the contract.",
        "Gradients are unbiased with extra variance.",
        "use the closed form where there is one",
        "elbo-forms",
    ),
    _note(
        "unit-bits",
        "The value is in bits.",
        "Every term has the weight 1/log 2 = 1.442695….",
        "None on the optimum; values are 1.4427 times those in nats.",
        "multiply by log 2 to compare with nats",
    ),
    _note(
        "clamped",
        "An argument is clamped: no gradient outside a range.",
        "The value is flat outside a range and exact inside.",
        "An encoder that leaves the range gets no signal to come back.",
        "bound the encoder's output smoothly instead",
    ),
    _note(
        "not-normalised",
        "The likelihood is not a density for this data.",
        "Cross-entropy is evaluated on values between 0 and 1.",
        "Exact for binary x; for grey values use the continuous Bernoulli or say that it is not a likelihood.",
        "binarise x, or use a density on [0, 1]",
        "elbo-forms",
    ),
    _note(
        "ema-codebook",
        "The codebook gets no gradient, as it should when a moving average updates it.",
        "Gradient β on the encoder, none on the codebook, and ema=True was given.",
        "None.",
        page="codebook-gradient",
    ),
    _note(
        "argument-order",
        "The arguments are not in the usual order.",
        "The value is exact with the roles exchanged.",
        "None, if callers know the order.",
        "keep the order, or name the arguments where it is called",
    ),
    _mistake(
        "kl-averaged-over-latent",
        "reductions",
        "The KL is averaged over the latent dimensions instead of summed.",
        "Its weight falls as 1/D when the latent grows.",
        "Equals a β-VAE with β = 1/D.",
        "kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=-1).mean()",
        "gaussian-kl-standard",
    ),
    _mistake(
        "reconstruction-averaged",
        "reductions",
        "The reconstruction term is averaged over the pixels instead of summed.",
        "Its weight falls as 1/P when the data grow.",
        "Equals a β-VAE with β = P: the latent collapses.",
        "nll = loss_fn(recon, x, reduction='none').flatten(1).sum(dim=1).mean()",
        "elbo-forms",
    ),
    _mistake(
        "batch-reduction-mismatch",
        "reductions",
        "One term is summed over the batch and the other averaged.",
        "The ratio of the weights changes with the batch size.",
        "β changes with the batch size.",
        "reduce both terms the same way: (nll_per_datum + kl_per_datum).mean()",
        "elbo-forms",
    ),
    _mistake(
        "wrong-axis",
        "reductions",
        "A sum or mean runs over the wrong axis (space, time, channel, mixture variable, batch).",
        "The weight depends on the size of an axis that should be summed, or an axis is left over.",
        "The term is divided by the size of that axis.",
        "sum over every axis but the batch: term.flatten(1).sum(dim=1).mean()",
        "elbo-forms",
    ),
    _mistake(
        "padding-counted",
        "reductions",
        "Padded positions are counted.",
        "The value changes with positions that the mask excludes.",
        "Short sequences are dominated by padding.",
        "(term * mask).sum(dim=-1).mean()",
        "elbo-forms",
    ),
    _mistake(
        "effective-beta",
        "weights",
        "A constant weight stands on one term that no shape explains (missing ½, spurious 2, hard-coded β).",
        "The weight is the same at every shape and not one.",
        "Equals a β-VAE with that β.",
        "give both terms the weight one, or make β a named argument",
        "beta-vae",
    ),
    _mistake(
        "beta-ignored",
        "weights",
        "The parameter β has no effect.",
        "The value does not change when it is varied.",
        "β = 1 whatever is asked for.",
        "return nll + beta * kl",
        "beta-vae",
    ),
    _mistake(
        "beta-on-reconstruction",
        "weights",
        "β multiplies the reconstruction term instead of the KL.",
        "Varying it scales the reconstruction term.",
        "Equals a β-VAE with β replaced by 1/β.",
        "return nll + beta * kl",
        "beta-vae",
    ),
    _mistake(
        "spread-misread",
        "parametrisation",
        "The spread is read in another parametrisation than it is given (log σ as log σ², variance as σ, ...).",
        "The terms are exact for two different parametrisations, or for another than was stated.",
        "The posterior's width is driven to a wrong value.",
        "kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var)",
        "gaussian-kl-standard",
    ),
    _mistake(
        "sampler-spread-misread",
        "parametrisation",
        "The sampler reads the spread in another parametrisation than it is given.",
        "The standard deviation of the draws is exp(s), s or s² where another was stated.",
        "Draws come from another q than the KL charges for.",
        "z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)",
        "reparameterised-scale",
    ),
    _mistake(
        "noise-scale",
        "parametrisation",
        "The noise is not standard normal (uniform noise, a wrong scale, shared between coordinates).",
        "The moments or the law of the noise differ from N(0, 1) coordinate by coordinate.",
        "Draws come from another q than the KL charges for.",
        "eps = torch.randn_like(mean)",
        "reparameterised-scale",
    ),
    _mistake(
        "algebra-slip",
        "algebra",
        "One term of the formula is not the right one; the message names it.",
        "The fitted formula differs from the right one in a term.",
        "Another objective than intended is optimised.",
        "kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var)",
        "gaussian-kl-standard",
    ),
    _mistake(
        "constant-wrong",
        "algebra",
        "An additive constant is wrong, where the value is the contract.",
        "The value differs by a constant; gradients are exact.",
        "Values are off by the constant: a KL that is not zero at q = p, a log-density that does not normalise.",
        "write the constant once for each dimension",
        "gaussian-kl-standard",
    ),
    _mistake(
        "sign-flipped",
        "algebra",
        "A term has the wrong sign.",
        "The weight of the term is negative.",
        "Minimising it maximises that term: the loss is unbounded or the latent explodes.",
        "return nll + kl",
        "elbo-forms",
    ),
    _mistake(
        "reverse-kl",
        "algebra",
        "The KL is taken in the other direction, KL[p ‖ q].",
        "The value equals the KL with the two distributions exchanged.",
        "Mass-covering instead of the ELBO's KL[q ‖ p]; not a bound on log p(x).",
        "kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var)",
        "gaussian-kl-standard",
    ),
    _mistake(
        "average-outside-log",
        "importance weighting",
        "The average over samples is taken outside the logarithm.",
        "The value is the mean of the log weights.",
        "The ELBO (K = 1) with less noise, not L_K.",
        "loss = -(torch.logsumexp(log_w, dim=1) - math.log(K)).mean()",
        "iwae-gap",
    ),
    _mistake(
        "weights-negated",
        "importance weighting",
        "The weights are exponentiated with the wrong sign.",
        "Lowering one sample raises its share.",
        "The worst sample dominates: an upper-bound-like quantity of 1/w.",
        "w = torch.softmax(log_w.detach(), dim=1)",
        "iwae-gap",
    ),
    _mistake(
        "weights-not-detached",
        "importance weighting",
        "The normalised weights are not detached in the surrogate.",
        "The value is Σ w̄ log w and its gradient has an extra term.",
        "The gradient is not that of L_K.",
        "w = torch.softmax(log_w, dim=1).detach()",
        "iwae-gap",
    ),
    _mistake(
        "log-k-missing",
        "importance weighting",
        "log K is not subtracted.",
        "The value at equal weights is off by log K; gradients are exact.",
        "The reported bound is too high by log K and can exceed log p(x).",
        "loss = -(torch.logsumexp(log_w, dim=1) - math.log(log_w.shape[1])).mean()",
        "iwae-gap",
    ),
    _mistake(
        "wrong-sample-axis",
        "importance weighting",
        "The log-mean-exp runs over the batch instead of the samples.",
        "Permuting samples across data changes the value as if the axes were exchanged.",
        "Data compete with each other; not a bound.",
        "torch.logsumexp(log_w, dim=1)",
        "iwae-gap",
    ),
    _mistake(
        "analytic-kl-in-weights",
        "importance weighting",
        "The analytic KL stands in the weights instead of log q − log p at the sample.",
        "The weight does not depend on the sample's own density ratio.",
        "L_K collapses towards the ELBO; not a bound of the stated kind.",
        "log_w = log_p_x_given_z + log_p_z - log_q_z",
        "iwae-gap",
    ),
    _mistake(
        "weights-multiplied-over-batch",
        "importance weighting",
        "Log weights are summed over the batch before the log-mean-exp.",
        "The value couples the data.",
        "One importance weight for the whole batch: its variance explodes.",
        "torch.logsumexp(log_w, dim=1) - math.log(K), then mean over the batch",
        "iwae-gap",
    ),
    _mistake(
        "stratified-weights-off-diagonal",
        "total correlation",
        "The stratified weight 1/N stands in a column and not on the diagonal.",
        "Well-separated posteriors show another own-sample weight for all but one row.",
        "log q(z) is biased upwards.",
        "W.fill_diagonal_(1 / N)",
        "beta-tcvae",
    ),
    _mistake(
        "weight-counted-per-dimension",
        "total correlation",
        "The minibatch weight is added once for each dimension inside the sum over dimensions.",
        "log q(z) shifts by D times the log weight.",
        "The total correlation is off by a multiple of the constant.",
        "log_qz = torch.logsumexp(log_qz_j.sum(-1), dim=1) - math.log(N * M)",
        "beta-tcvae",
    ),
    _mistake(
        "minibatch-constant-dropped",
        "total correlation",
        "The constant log(NM) or log M of minibatch weighting is missing.",
        "Well-separated posteriors show the own-sample weight 1.",
        "The terms are off by constants that only cancel at α = β = γ.",
        "subtract math.log(N * M) after logsumexp",
        "beta-tcvae",
    ),
    _mistake(
        "not-total-correlation",
        "total correlation",
        "What is returned is not a total correlation.",
        "It is not zero for independent dimensions, or not log q(z) − Σ log q(z_j).",
        "Another quantity is penalised.",
        "tc = (log_qz - log_qz_product).mean()",
        "beta-tcvae",
    ),
    _mistake(
        "beta-on-codebook",
        "vector quantisation",
        "β stands on the codebook loss instead of the commitment loss.",
        "Gradient coefficients (1, β) on (encoder, codebook) instead of (β, 1).",
        "The encoder is pulled four times too hard and the codebook learns β times slower (β = ¼).",
        "loss = mse(e, z_e.detach()) + beta * mse(z_e, e.detach())",
        "codebook-gradient",
    ),
    _mistake(
        "stop-gradient-misplaced",
        "vector quantisation",
        "A stop-gradient is missing or stands on the wrong factor.",
        "Automatic and numerical gradients agree where a detach belongs, or an argument gets none.",
        "Encoder and codebook chase each other, or one of them does not learn.",
        "loss = mse(e, z_e.detach()) + beta * mse(z_e, e.detach())",
        "codebook-gradient",
    ),
    _mistake(
        "codebook-loss-missing",
        "vector quantisation",
        "The codebook gets no gradient.",
        "The gradient with respect to the codes is zero and no moving average was declared.",
        "The codebook stays at its initial values.",
        "loss = mse(e, z_e.detach()) + beta * mse(z_e, e.detach()), before the straight-through line",
        "codebook-gradient",
    ),
    _mistake(
        "vq-reduction",
        "vector quantisation",
        "The two terms, or the axes of one of them, are reduced differently.",
        "The weight depends on the shape otherwise than by one common factor.",
        "The commitment weight changes with the shape.",
        "use the same reduction for both terms",
        "codebook-gradient",
    ),
    _mistake(
        "wrong-norm",
        "vector quantisation",
        "The distance is not the squared Euclidean one.",
        "The value is not quadratic in z − e.",
        "Codes move to medians or with constant speed; k-means no longer describes the codebook.",
        "((z_e - e) ** 2).mean()",
        "codebook-gradient",
    ),
    _mistake(
        "prior-not-logged",
        "discrete",
        "The prior's probability stands where its logarithm belongs.",
        "The value is Σ q (log q − 1/K) instead of Σ q (log q + log K).",
        "An additive error log K + 1/K for each variable.",
        "kl = (q * (q.log() + math.log(K))).sum(-1)",
        "quantised-code",
    ),
    _mistake(
        "kl-div-misuse",
        "discrete",
        "torch.nn.functional.kl_div is called with its arguments in the wrong order, form or reduction.",
        "kl_div(log p, q) is KL[q ‖ p]; its 'mean' divides by the number of elements.",
        "The reverse direction, a value that is no divergence, or one divided by N·K.",
        "F.kl_div(log_p, q, reduction='none').sum(dim=-1)",
        "quantised-code",
    ),
    _mistake(
        "mmd-normalisation",
        "moments",
        "The pair sums of MMD² are normalised wrongly (diagonal counted, N² for N(N−1), a missing 2).",
        "The coefficient of a sum of kernels differs from 1/(N(N−1)), 1/(M(M−1)), −2/(NM).",
        "A biased estimate of MMD².",
        "k_xx.fill_diagonal_(0).sum() / (N * (N - 1)) + k_yy... - 2 * k_xy.mean()",
        "",
    ),
    _mistake(
        "biased-estimator",
        "estimators",
        "The expectation of the gradient is not the gradient.",
        "The exact expectation over the noise differs; the message gives the bias.",
        "Training converges to another point.",
        "use an unbiased estimator, or state the bias",
        "score-function",
    ),
    _mistake(
        "reward-not-detached",
        "estimators",
        "The reward is not detached in the score-function surrogate.",
        "An extra gradient flows through f.",
        "The gradient has an extra term.",
        "(f(b).detach() * log_prob).mean()",
        "score-function",
    ),
    _mistake(
        "not-finite",
        "numerics",
        "NaN or infinity where the exact value is finite.",
        "An edge probe (saturated probability, very small spread, very low weight) does not come back finite.",
        "Training stops with NaN.",
        "work with logits and log-scales: logsumexp, softplus, binary_cross_entropy_with_logits",
        "gaussian-kl-standard",
    ),
    _mistake(
        "catastrophic-cancellation",
        "numerics",
        "The float32 value is off by more than 1 % at ordinary inputs.",
        "float32 and float64 disagree.",
        "Values and gradients are noise.",
        "subtract before squaring: (x - recon) ** 2",
        "gaussian-kl-accurate",
    ),
)

CODES: dict[str, Code] = {code.name: code for code in _TABLE}
"""Every code by name."""
NOTES = frozenset(code.name for code in _TABLE if code.kind == "note")
MISTAKES = frozenset(code.name for code in _TABLE if code.kind == "mistake")
