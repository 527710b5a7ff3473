/* One trial against a Poisson law, as in poisson.py: {q log(q/r) - q + r} + {(1 - q) log(1 - q) + q} */

INLINE double bernoulli_poisson_by_probs(double q, double r, int *fine) {
    *fine = AMONG(q, 1e-140, 1.0 - 0x1p-53) & COMMON(r);
    return entropy_term(q, r, r - q) + entropy_term(1.0 - q, 1.0, q);
}

INLINE void bernoulli_poisson_by_probs_slopes(double q, double r, double *by, int *fine) {
    *fine = AMONG(q, 1e-140, 1.0 - 0x1p-53) & COMMON(r);
    by[0] = log_quotient(q, r, q - r) - log_one_plus(-q);
    by[1] = (r - q) / r;
}

INLINE double bernoulli_poisson_by_logits(double x, double r, int *fine) {
    double bounded = MODEST(x) ? x : 0.0, decay = exponential(-fabs(bounded)), large = 1.0 / (1.0 + decay);
    double q = x > 0.0 ? large : decay * large, failure = x > 0.0 ? decay * large : large;
    *fine = AMONG(x, -300.0, 600.0) & COMMON(r);
    return entropy_term(q, r, r - q) + entropy_term(failure, 1.0, q);
}

INLINE void bernoulli_poisson_by_logits_slopes(double x, double r, double *by, int *fine) {
    double bounded = MODEST(x) ? x : 0.0, decay = exponential(-fabs(bounded)), large = 1.0 / (1.0 + decay);
    double q = x > 0.0 ? large : decay * large, failure = x > 0.0 ? decay * large : large;
    double softplus = (x > 0.0 ? bounded : 0.0) + log_one_plus(decay);
    *fine = AMONG(x, -300.0, 600.0) & COMMON(r);
    by[0] = q * failure * (log_quotient(q, r, q - r) + softplus);
    by[1] = (x > 0.0 ? (r - 1.0) + failure : r - q) / r;
}
