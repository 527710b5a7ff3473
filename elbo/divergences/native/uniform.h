/* Uniform laws on (l, h) against those whose mean energy is elementary, as in uniform.py; w = h - l, m = (l + h)/2. */

#define END(x) (((x) == 0.0) | COMMON(fabs(x)))
#define PLACE(x) (fabs(x) <= 1e100)
#define SCALE(x) AMONG(x, 1e-100, 1e100)
#define SIZE(x) AMONG(x, 1e-30, 1e30)

/* log((h2 - l2)/(h1 - l1)), infinite where q has mass that p lacks; then no slope either */
INLINE double uniform(double l1, double h1, double l2, double h2, int *fine) {
    double q = h1 - l1, p = h2 - l2, value = log_quotient(p, q, (h2 - h1) + (l1 - l2));
    *fine = COMMON(q) & COMMON(p);
    return (l2 <= l1) & (h1 <= h2) ? value : INFINITY;
}

INLINE void uniform_slopes(double l1, double h1, double l2, double h2, double *by, int *fine) {
    double q = h1 - l1, p = h2 - l2;
    int within = (l2 <= l1) & (h1 <= h2);
    *fine = COMMON(q) & COMMON(p);
    by[0] = within ? 1.0 / q : 0.0;
    by[1] = -by[0];
    by[3] = within ? 1.0 / p : 0.0;
    by[2] = -by[3];
}

/* r m - log(r w) */
INLINE double uniform_exponential(double l, double h, double r, int *fine) {
    double product = r * (h - l);
    *fine = END(l) & PLACE(h) & COMMON(product) & COMMON(r);
    double value = r * (0.5 * (h + l)) - natural_log(product);
    return l >= 0.0 ? value : INFINITY;
}

INLINE void uniform_exponential_slopes(double l, double h, double r, double *by, int *fine) {
    double inverse = 1.0 / (h - l), half = 0.5 * r;
    *fine = END(l) & PLACE(h) & COMMON(h - l) & COMMON(r);
    by[0] = l >= 0.0 ? half + inverse : 0.0;
    by[1] = l >= 0.0 ? half - inverse : 0.0;
    by[2] = l >= 0.0 ? 0.5 * (h + l) - 1.0 / r : 0.0;
}

/* (m - loc)/s to the last digits */
INLINE double distance_of_middle(double l, double h, double loc, double s) {
    double total = l + h, twice = total - 2.0 * loc;
    return 0.5 * (twice + (lost_by_plus(l, h, total) + lost_by_minus(total, 2.0 * loc, twice))) / s;
}

/* (t^2/12 + z^2)/2 - log(t/sqrt(2 pi)), t = w/s, z = (m - loc)/s */
INLINE double uniform_normal(double l, double h, double loc, double s, int *fine) {
    double t = (h - l) / s, z = distance_of_middle(l, h, loc, s);
    *fine = PLACE(l) & PLACE(h) & PLACE(loc) & SCALE(s) & SCALE(t);
    struct carried scaled = carried_over((struct carried){t, 0.0}, (struct carried){ROOT_2PI, 1.040455071400101e-16});
    return 0.5 * (t * t / 12.0 + z * z) - (natural_log(scaled.value) + scaled.lost);
}

INLINE void uniform_normal_slopes(double l, double h, double loc, double s, double *by, int *fine) {
    double t = (h - l) / s, z = distance_of_middle(l, h, loc, s), spread = 1.0 / t - t / 12.0;
    *fine = PLACE(l) & PLACE(h) & PLACE(loc) & SCALE(s) & SCALE(t);
    by[0] = (0.5 * z + spread) / s;
    by[1] = (0.5 * z - spread) / s;
    by[2] = -z / s;
    by[3] = (t * spread - z * z) / s;
}

/* a E log(x/x0) - (log h - E log x) - log(a w/h) */
INLINE double uniform_pareto(double l, double h, double x0, double a, int *fine) {
    double w = h - l, up = entropy_term(h, l, -w) / w, down = entropy_term(l, h, w) / w;
    *fine = COMMON(fabs(l)) & COMMON(h) & COMMON(w) & COMMON(x0) & COMMON(a);
    struct carried share = carried_over((struct carried){w, 0.0}, (struct carried){h, 0.0});
    struct carried scaled = carried_times((struct carried){a, 0.0}, share);
    double logs = natural_log(scaled.value) + scaled.lost;
    double value = a * (log_quotient(l, x0, l - x0) + up) - (down + logs);
    return l >= x0 ? value : INFINITY;
}

INLINE void uniform_pareto_slopes(double l, double h, double x0, double a, double *by, int *fine) {
    double w = h - l, up = entropy_term(h, l, -w) / w, down = entropy_term(l, h, w) / w;
    *fine = COMMON(fabs(l)) & COMMON(h) & COMMON(w) & COMMON(x0) & COMMON(a);
    by[0] = l >= x0 ? ((a + 1.0) * up + 1.0) / w : 0.0;
    by[1] = l >= x0 ? ((a + 1.0) * down - 1.0) / w : 0.0;
    by[2] = l >= x0 ? -a / x0 : 0.0;
    by[3] = l >= x0 ? log_quotient(l, x0, l - x0) + up - 1.0 / a : 0.0;
}

/* t = w/s, z = (m - loc)/s, the exponent (l - loc)/s with what it has lost, 1 - e^-t, and E e^(-(x - loc)/s) */
struct exponential_mean {
    double t, z, exponent, fall, mean;
};

INLINE struct exponential_mean exponential_mean_of(double l, double h, double loc, double s, int *fine) {
    double t = (h - l) / s, gap = l - loc, exponent = gap / s, bounded = MODEST(exponent) ? exponent : 0.0;
    double lost = (fma(-exponent, s, gap) + lost_by_minus(l, loc, gap)) / s;
    double fall = -exp_minus_one(t < 700.0 ? -t : -700.0);
    *fine = PLACE(l) & PLACE(h) & PLACE(loc) & SCALE(s) & SCALE(t) & MODEST(exponent);
    return (struct exponential_mean){
        t, distance_of_middle(l, h, loc, s), exponent, fall, exponential(-bounded) * (1.0 - lost) * (fall / t)};
}

/* z - log t + E e^(-(x - loc)/s), or, where that mean e^u is near one, phi(u) + 1 + N(t) - log t */
INLINE double uniform_gumbel(double l, double h, double loc, double s, int *fine) {
    struct exponential_mean q = exponential_mean_of(l, h, loc, s, fine);
    struct carried turns = carried_over((struct carried){q.t, 0.0}, (struct carried){2.718281828459045, 5.318237706605891e-17});
    double square = q.t * q.t, log = natural_log(turns.value) + turns.lost; /* log t - 1 */
    double near = square * normaliser_series(square), wide = (0.5 * q.t - 1.0) + natural_log(q.fall);
    double u = (square <= NEAR_ZERO ? near : wide - log) - q.z;
    double least = square <= NEAR_ZERO ? near - log : wide - 2.0 * log;
    return fabs(u) <= 1.0 ? phi_series(u) + least : (q.z - 1.0) - log + q.mean;
}

INLINE void uniform_gumbel_slopes(double l, double h, double loc, double s, double *by, int *fine) {
    struct exponential_mean q = exponential_mean_of(l, h, loc, s, fine);
    double square = q.t * q.t, inverse = 1.0 / q.t, grown = exp_minus_one(q.t < 700.0 ? q.t : 700.0);
    double tilt = square <= NEAR_ZERO ? q.t * mean_series(square) : 0.5 + 1.0 / grown - inverse;
    double rest = 0.5 * (1.0 - q.mean), turn = inverse - q.mean * tilt;
    double lever = q.t < 2.0 ? q.z - q.t * tilt : q.exponent + (1.0 - q.t / grown);
    by[0] = (rest + turn) / s;
    by[1] = (rest - turn) / s;
    by[2] = -2.0 * rest / s;
    by[3] = ((1.0 - q.z) + q.mean * lever) / s;
}

/* N(eta) - eta (m - 1/2) - log w, or for large eta the same by the distance from where the density is largest */
INLINE double from_peak(double l, double h, double eta) { return 0.5 * (eta < 0.0 ? l + h : (1.0 - l) + (1.0 - h)); }

INLINE double log_width(double l, double h) { return log_of(-((1.0 - h) + l), h - l); }

INLINE double uniform_tilted(double l, double h, double eta, int *fine) {
    double square = eta * eta, size = fabs(eta), w = h - l, bounded = size < 600.0 ? size : 600.0;
    double near = square * normaliser_series(square) - 0.5 * eta * ((h - 1.0) + l) - log_width(l, h);
    double far = size * from_peak(l, h, eta) - natural_log(size * w / -exp_minus_one(-bounded));
    *fine = (size <= 600.0) & END(l) & COMMON(w);
    double value = square <= NEAR_ZERO ? near : far;
    return (l >= 0.0) & (h <= 1.0) ? value : INFINITY;
}

INLINE void uniform_tilted_slopes(double l, double h, double eta, double *by, int *fine) {
    double square = eta * eta, size = fabs(eta), w = h - l, bounded = size < 600.0 ? size : 600.0;
    double near = eta * mean_series(square) - 0.5 * ((h - 1.0) + l);
    double far = from_peak(l, h, eta) - (1.0 / size - 1.0 / exp_minus_one(bounded));
    int within = (l >= 0.0) & (h <= 1.0);
    *fine = (size <= 600.0) & END(l) & COMMON(w);
    by[0] = within ? 1.0 / w - 0.5 * eta : 0.0;
    by[1] = within ? -1.0 / w - 0.5 * eta : 0.0;
    by[2] = within ? (square <= NEAR_ZERO ? near : (eta < 0.0 ? -far : far)) : 0.0;
}

INLINE double uniform_tilted_by_probs(double l, double h, double p, int *fine) {
    double value = uniform_tilted(l, h, log_quotient(p, 1.0 - p, (p + p) - 1.0), fine);
    *fine &= AMONG(p, 1e-140, 1.0 - 0x1p-53);
    return value;
}

INLINE void uniform_tilted_by_probs_slopes(double l, double h, double p, double *by, int *fine) {
    uniform_tilted_slopes(l, h, log_quotient(p, 1.0 - p, (p + p) - 1.0), by, fine);
    *fine &= AMONG(p, 1e-140, 1.0 - 0x1p-53);
    by[2] /= p * (1.0 - p);
}
