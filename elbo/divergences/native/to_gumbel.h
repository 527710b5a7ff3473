/* Normal, exponential and gamma laws against Gumbel ones, as in to_gumbel.py: phi(u) and terms that are positive. */

#define LEAST 0.08106146679532726 /* 1 - log(2 pi)/2 */

/* u = r^2/2 - (m1 - m2)/b, r = s/b, and r^2 - 1 */
INLINE double normal_exponent(double m1, double s, double m2, double b, double *ratio, double *d, double *low) {
    double lost, ratio_low, square_low, gap_low, minus_low, difference = plus(m2, -m1, &lost);
    double r = over(s, 0.0, b, &ratio_low), square = times(r, r, &square_low), gap = over(difference, lost, b, &gap_low);
    double u = plus(0.5 * square, gap, &minus_low);
    *low = minus_low + (fma(r, ratio_low, 0.5 * square_low) + gap_low);
    *ratio = r;
    *d = (s - b) / b * ((s + b) / b);
    return rounded(u, low);
}

#define NORMAL_FINE(m1, s, m2, b, u) ((fabs(m1) <= 1e100) & (fabs(m2) <= 1e100) & POSITIVE(s) & POSITIVE(b) & (u <= HIGHEST))

INLINE double normal_gumbel(double m1, double s, double m2, double b, int *fine) {
    double ratio, d, low, u = normal_exponent(m1, s, m2, b, &ratio, &d, &low);
    *fine = NORMAL_FINE(m1, s, m2, b, u);
    return phi(u, low) + (0.5 * remainder_of(d, ratio * ratio) + LEAST);
}

INLINE void normal_gumbel_slopes(double m1, double s, double m2, double b, double *by, int *fine) {
    double ratio, d, low, u = normal_exponent(m1, s, m2, b, &ratio, &d, &low), growth = growth_of(u, low);
    double square = ratio * ratio;
    *fine = NORMAL_FINE(m1, s, m2, b, u);
    by[2] = growth / b;
    by[0] = -by[2];
    by[1] = (square * growth + d) / s;
    by[3] = -(growth * (u + 0.5 * square) + d) / b;
}

/* t = 1/(b s) */
INLINE double inverse(double b, double s, double *low) {
    double lost, product = times(b, s, &lost);
    return over(1.0, -lost / product, product, low);
}

/* u = m/s - a log(1 + t), and log(1 + t) */
INLINE double gamma_exponent(double a, double t, double t_low, double m, double s, double *shift, double *log, double *low) {
    double sum_low, log_low, taken_low, shift_low, sum = plus(1.0, t, &sum_low);
    *log = log_pair(sum, sum_low + t_low, &log_low);
    *shift = over(m, 0.0, s, &shift_low);
    double taken = times(a, *log, &taken_low), u = plus(*shift, -taken, low);
    *low += shift_low - fma(a, log_low, taken_low);
    return rounded(u, low);
}

#define GAMMA_FINE(a, b, m, s, u) (LAWS_FINE(a, b, m, s) & AMONG(b, 1e-50, 1e50) & (u <= HIGHEST))

/* remainders of (t - k)/k and (t - k)/(1 + k), with what t - k loses, the second a times */
INLINE double spread_about(double t, double t_low, double k, double k_low, double a) {
    double d = (t - k) + (t_low - k_low);
    return remainder_of(d / k, t / k) + a * remainder_of(d / (1.0 + k), (1.0 + t) / (1.0 + k));
}

#define GOLDEN 1.618033988749895
#define GOLDEN_LOW -5.432115203682506e-17
#define LEAST_EXPONENTIAL 0.17439851357108457 /* GOLDEN - 3 log GOLDEN */

INLINE double exponential_gumbel(double r, double m, double s, int *fine) {
    double t_low, shift, log, low, t = inverse(r, s, &t_low), u = gamma_exponent(1.0, t, t_low, m, s, &shift, &log, &low);
    *fine = GAMMA_FINE(1.0, r, m, s, u);
    return phi(u, low) + (spread_about(t, t_low, GOLDEN, GOLDEN_LOW, 1.0) + LEAST_EXPONENTIAL);
}

/* the same of float32 numbers, of which nine digits are wanted: e^u = e^(m/s)/(1 + t) */
INLINE double exponential_gumbel_brief(double r, double m, double s, int *fine) {
    double t = 1.0 / (r * s), shift = m / s, growth = exponential(shift > -HIGHEST ? (shift < HIGHEST ? shift : 0.0) : -HIGHEST);
    *fine = GAMMA_FINE(1.0, r, m, s, shift);
    return growth / (1.0 + t) + ((t - shift) - natural_log(t) - 1.0);
}

INLINE void exponential_gumbel_slopes(double r, double m, double s, double *by, int *fine) {
    double t_low, shift, log, low, t = inverse(r, s, &t_low), u = gamma_exponent(1.0, t, t_low, m, s, &shift, &log, &low);
    double growth = growth_of(u, low), share = t / (1.0 + t), d = (t - GOLDEN) + (t_low - GOLDEN_LOW);
    double rest = -d * (t + (GOLDEN - 1.0)) / (1.0 + t); /* 1 - t^2/(1 + t) */
    *fine = GAMMA_FINE(1.0, r, m, s, u);
    by[0] = (rest + growth * share) / r;
    by[1] = growth / s;
    by[2] = (rest + growth * (share - shift)) / s;
}

/* N(a), of a gamma law to the nearest Gumbel law: a rational function of w = 1/sqrt(a) - PLACE about its minimum, as in
   to_gumbel.py; each step of Horner's rule takes a coefficient of its numerator and one of its denominator */
#define PLACE 0.44674327912073956
#define BOTTOM 0.0027981487830581555
#define VALLEY_STEPS(STEP) \
    STEP(0.8548385907029151, 0.8027356610786679) \
    STEP(2.6198009777737745, 3.12337592317758) \
    STEP(4.582955688327588, 5.379461681879513) \
    STEP(7.460242015397141, 10.821937473464324) \
    STEP(7.6614932850076745, 10.873005031593408) \
    STEP(8.035085864974958, 13.748879833681206) \
    STEP(4.921938422516372, 8.148790273291288) \
    STEP(3.4237741446933545, 6.723773128242557) \
    STEP(1.0333954881825294, 1.9343992554080027) \
    STEP(0.4482678820258526, 1.0)
#define VALLEY_TOP 0.22291267082232835
#define VALLEY_BOTTOM 0.21655630998767517
#define IN_VALLEY(a) (((a) > 0.75) & ((a) < 32.0))

/* a (k - log(1 + k) - k^2/2) and k - log(1 + k), k = kappa */
INLINE double third_of(double a, double k, double *spread) {
    double s = k / (k + 2.0), z = s * s, tail = z * artanh_tail(z), far = k - log_one_plus(k);
    *spread = z <= WIDE ? s * (k + tail) : far;
    return z <= WIDE ? a * (s * (tail - 0.5 * k * k)) : a * far - 0.5 * (1.0 + k);
}

INLINE double gamma_least(double a, double k) {
    double w = 1.0 / sqrt(a) - PLACE, p = VALLEY_TOP, q = VALLEY_BOTTOM, spread, third = third_of(a, k, &spread);
#define HORNER(above, below) p = fma(p, w, above), q = fma(q, w, below);
    VALLEY_STEPS(HORNER)
#undef HORNER
    return IN_VALLEY(a) ? BOTTOM + w * w * (p / q) : gamma_shape(a) + (third + 0.5 * spread + LEAST);
}

INLINE double gamma_least_slope(double a, double k) {
    double v = 1.0 / sqrt(a), w = v - PLACE, p = VALLEY_TOP, q = VALLEY_BOTTOM, dp = 0.0, dq = 0.0;
#define HORNER(above, below) dp = fma(dp, w, p), p = fma(p, w, above), dq = fma(dq, w, q), q = fma(q, w, below);
    VALLEY_STEPS(HORNER)
#undef HORNER
    double spread, third = third_of(a, k, &spread), valley = -0.5 * v / a * (w * (2.0 * p + w * (dp - p / q * dq)) / q);
    return IN_VALLEY(a) ? valley : gamma_shape_slope(a) + (third + 0.5 * k) / a;
}

/* k = (1/2 + sqrt(1/4 + a))/a, a k^2 = 1 + k */
INLINE double kappa(double a, double *root, double *low) {
    double square_low, total_low, square = plus(a, 0.25, &square_low);
    *root = sqrt(square);
    double root_low = (fma(-*root, *root, square) + square_low) / (2.0 * *root), total = plus(*root, 0.5, &total_low);
    return over(total, total_low + root_low, a, low);
}

INLINE double gamma_gumbel(double a, double b, double m, double s, int *fine) {
    double t_low, shift, log, low, t = inverse(b, s, &t_low), u = gamma_exponent(a, t, t_low, m, s, &shift, &log, &low);
    double root, k_low, k = kappa(a, &root, &k_low);
    *fine = GAMMA_FINE(a, b, m, s, u);
    return phi(u, low) + (spread_about(t, t_low, k, k_low, a) + gamma_least(a, k));
}

/* where a t and m/s may be large, and cancel */
#define MATCHED(a, t) (((a) > 1.5) & ((t) < 1.5))

INLINE void gamma_gumbel_slopes(double a, double b, double m, double s, double *by, int *fine) {
    double t_low, shift, log, low, t = inverse(b, s, &t_low), u = gamma_exponent(a, t, t_low, m, s, &shift, &log, &low);
    double root, k_low, k = kappa(a, &root, &k_low), growth = growth_of(u, low), d = (t - k) + (t_low - k_low);
    double share = t / (1.0 + t), taken = a * share, part = d / (1.0 + k);
    double rest = -d * (a * t + a / (0.5 + root)) / (1.0 + t); /* 1 - a t^2/(1 + t) */
    double fall = MATCHED(a, t) ? -(u + a * remainder_of(-share, 1.0 / (1.0 + t))) : taken - shift;
    *fine = GAMMA_FINE(a, b, m, s, u);
    by[0] = (gamma_least_slope(a, k) + (part * k + remainder_of(part, (1.0 + t) / (1.0 + k)))) - growth * log;
    by[1] = (rest + growth * taken) / b;
    by[2] = growth / s;
    by[3] = (rest + growth * fall) / s;
}
