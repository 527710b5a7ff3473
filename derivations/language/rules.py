"""The rules that a step may cite. Each is a theorem, with what it needs and where it is proved."""

from dataclasses import dataclass

_COVER = "Cover & Thomas, Elements of Information Theory (2nd ed. 2006)"
_WILLIAMS = "Williams, Probability with Martingales (1991)"


@dataclass(frozen=True)
class Rule:
    """A named theorem.

    Args:
        name: what a step cites.
        statement: the theorem, LaTeX.
        conditions: what it needs, in words.
        source: where it is proved, with a locator.
        sample_by_sample: whether it holds for every measure of mass one, hence for the empirical measure of any draws.
        relation: "=" for an identity; "<=" or ">=" for an inequality.
    """

    name: str
    statement: str
    conditions: str
    source: str
    sample_by_sample: bool = False
    relation: str = "="


def _rules() -> tuple[Rule, ...]:
    return (
        Rule(
            "definition of KL",
            r"\mathrm{KL}\left[q \,\|\, p\right] = \mathbb{E}_{q}\left[\log \frac{q}{p}\right]",
            "q is absolutely continuous with respect to p",
            f"{_COVER}, eq. 2.26",
            True,
        ),
        Rule(
            "definition of entropy",
            r"\mathrm{H}\left[q\right] = -\mathbb{E}_{q}\left[\log q\right],\quad \mathrm{H}\left[q,\, p\right] ="
            r" -\mathbb{E}_{q}\left[\log p\right]",
            "the expectation exists",
            f"{_COVER}, eq. 2.1 and 8.1",
            True,
        ),
        Rule(
            "definition of mutual information",
            r"\mathrm{I}\left(a; b\right) = \mathrm{KL}\left[q(a, b) \,\|\, q(a)\, q(b)\right],\quad"
            r" \mathrm{TC}\left[q\right] = \mathrm{KL}\left[q \,\|\, {\textstyle \prod_{j}} q(z_{j})\right]",
            "none",
            f"{_COVER}, eq. 2.28; Watanabe, IBM J. Res. Dev. 4 (1960), eq. 1",
            True,
        ),
        Rule(
            "log of a product",
            r"\log(a\, b) = \log a + \log b,\quad \log a^{k} = k \log a,\quad \log e^{a} = a,\quad e^{a + b} ="
            r" e^{a} e^{b}",
            "a and b are positive",
            "definition of the natural logarithm",
            True,
        ),
        Rule(
            "linearity",
            r"\mathbb{E}_{q}\left[a f + b g\right] = a\, \mathbb{E}_{q}\left[f\right] + b\,"
            r" \mathbb{E}_{q}\left[g\right]\quad\text{for } a, b \text{ that do not depend on the variables of } q",
            "f and g are integrable under q",
            f"{_WILLIAMS}, section 5.3",
            True,
        ),
        Rule("normalisation", r"\mathbb{E}_{q}\left[1\right] = 1", "none", "definition of a density", True),
        Rule(
            "tower",
            r"\mathbb{E}_{q(b)}\left[\mathbb{E}_{q(a \mid b)}\left[f(a, b)\right]\right] = \mathbb{E}_{q(a,"
            r" b)}\left[f(a, b)\right]",
            "f is integrable under the joint density (Fubini), or f has one sign (Tonelli)",
            f"{_WILLIAMS}, section 9.7(i)",
        ),
        Rule(
            "marginal",
            r"\mathbb{E}_{q(a, b)}\left[f(a)\right] = \mathbb{E}_{q(a)}\left[f(a)\right]",
            "f is integrable",
            f"{_WILLIAMS}, section 8.3",
        ),
        Rule(
            "total probability",
            r"\mathbb{E}_{p(z)}\left[p(x \mid z)\right] = p(x)",
            "none (Tonelli: densities are positive)",
            f"{_WILLIAMS}, section 9.7(i)",
        ),
        Rule(
            "change of measure",
            r"\mathbb{E}_{q}\left[\frac{p}{q}\, f\right] = \mathbb{E}_{p}\left[f\right]",
            "p f is absolutely continuous with respect to q",
            f"{_WILLIAMS}, section 5.14",
        ),
        Rule(
            "derivative",
            r"\partial (f + g) = \partial f + \partial g,\quad \partial (f g) = g\, \partial f + f\, \partial"
            r" g,\quad \partial \log f = \frac{\partial f}{f},\quad \partial f(g) = f'(g)\, \partial g",
            "f and g are differentiable",
            "Rudin, Principles of Mathematical Analysis (1976), theorems 5.3 and 5.5",
            True,
        ),
        Rule(
            "differentiation under the integral",
            r"\partial_{\varphi} \mathbb{E}_{q_{\varphi}}\left[f\right] ="
            r" \mathbb{E}_{q_{\varphi}}\left[\partial_{\varphi} f + f\, \partial_{\varphi} \log q_{\varphi}\right]",
            "the derivative of q f is dominated by an integrable function near the parameter, and the support of q"
            " does not move with it (else a boundary term is added)",
            f"{_WILLIAMS}, section A16.1; Mohamed et al., JMLR 21 (2020), section 4.3.1",
        ),
        Rule(
            "score identity",
            r"\mathbb{E}_{q_{\varphi}}\left[\partial_{\varphi} \log q_{\varphi}\right] = 0",
            "the derivative of q is dominated by an integrable function near the parameter, and the support of q"
            " does not move with it",
            "Mohamed et al., JMLR 21 (2020), section 4.1",
        ),
        Rule(
            "reparameterisation",
            r"\mathbb{E}_{q_{\varphi}(z)}\left[f(z)\right] = \mathbb{E}_{s(\varepsilon)}\left[f(z)\Big|_{z ="
            r" g_{\varphi}(\varepsilon)}\right]",
            "q is the law of g(ε) for ε distributed as s",
            f"Kingma & Welling, arXiv 1312.6114, section 2.4; {_WILLIAMS}, section 6.12",
        ),
        Rule(
            "integration by parts",
            r"\mathbb{E}_{q}\left[f\, \partial_{z} \log q\right] = -\mathbb{E}_{q}\left[\partial_{z} f\right]",
            "f is absolutely continuous in z, both sides exist, and f q vanishes at the ends of the support",
            "Stein, Ann. Statist. 9 (1981), lemma 1",
        ),
        Rule(
            "independence",
            r"\mathbb{E}_{q(a)\, q(b)}\left[f(a)\, g(b)\right] = \mathbb{E}_{q(a)}\left[f(a)\right]\,"
            r" \mathbb{E}_{q(b)}\left[g(b)\right]",
            "a and b are independent, f and g are integrable",
            f"{_WILLIAMS}, section 7.1",
        ),
        Rule(
            "same law",
            r"\mathbb{E}_{q(z_{1})}\left[f(z_{1})\right] = \mathbb{E}_{q(z)}\left[f(z)\right]",
            "the samples are identically distributed",
            "renaming of a bound variable",
        ),
        Rule(
            "stop-gradient",
            r"\mathrm{sg}\left[f\right] = f,\quad \partial\, \mathrm{sg}\left[f\right] = 0",
            "none: it is the definition of an operator on programs",
            "van den Oord et al., arXiv 1711.00937, section 3.2",
            True,
        ),
        Rule(
            "Gibbs",
            r"\mathrm{KL}\left[q \,\|\, p\right] \geq 0,\quad\text{with equality if and only if } q = p \text{"
            r" almost everywhere}",
            "q and p are normalised",
            f"{_COVER}, theorem 2.6.3",
            relation=">=",
        ),
        Rule(
            "Jensen",
            r"\mathbb{E}_{q}\left[\log f\right] \leq \log \mathbb{E}_{q}\left[f\right]\quad\text{since the"
            r" logarithm is concave}",
            "f is positive and integrable under q",
            f"{_WILLIAMS}, section 6.6",
            relation="<=",
        ),
        Rule(
            "tangent",
            r"\log f \leq f - 1,\quad \mathbb{E}_{q}\left[\log f\right] \leq \mathbb{E}_{q}\left[f - 1\right]"
            r"\quad\text{since the logarithm lies below its tangent at one}",
            "f is positive, and integrable under q",
            f"{_COVER}, problem 2.13 (for 1/f)",
            relation="<=",
        ),
        Rule(
            "square",
            r"\mathbb{E}_{q}\left[f^{2}\right] \geq 0",
            "f is real",
            "the square of a real number is not negative",
            relation=">=",
        ),
        Rule(
            "positivity",
            r"a\, f \geq 0\quad\text{for densities, positive functions and positive parameters } a \text{ and } f"
            r" \geq 0",
            "as stated",
            "the product of two numbers that are not negative is not negative",
            relation=">=",
        ),
    )


RULES: dict[str, Rule] = {rule.name: rule for rule in _rules()}
