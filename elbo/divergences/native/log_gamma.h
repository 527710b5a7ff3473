/* log Gamma beside its tangent at 2, for laws with one shape fixed; tables and formulas are those of _log_gamma.py. */

/* log Gamma(1 + c) - (1 - gamma) (c - 1) over (c - 1)^2, and its derivative over c - 1, for 0 <= c <= 3 */
INLINE double rise_curve(double c) {
    double p = 6.8016882145650245e-09, q = 1.670182006150011e-06;
    p = fma(p, c, 6.982109812493515e-06);
    p = fma(p, c, 0.00047693197569795894);
    p = fma(p, c, 0.010330528663471924);
    p = fma(p, c, 0.09898258651570913);
    p = fma(p, c, 0.48454911622091756);
    p = fma(p, c, 1.2915589242019618);
    p = fma(p, c, 1.8863370781119717);
    p = fma(p, c, 1.4125238067896435);
    p = fma(p, c, 0.42278433509846713);
    q = fma(q, c, 0.00017981238414628662);
    q = fma(q, c, 0.0056252882259906975);
    q = fma(q, c, 0.07602719776846402);
    q = fma(q, c, 0.525371379831893);
    q = fma(q, c, 2.01803182301386);
    q = fma(q, c, 4.45733256048761);
    q = fma(q, c, 5.600685421268609);
    q = fma(q, c, 3.706275295719654);
    q = fma(q, c, 1.0);
    return p / q;
}

INLINE double rise_slope_curve(double c) {
    double p = 2.6256581887374182e-08, q = 5.350685100174986e-06;
    p = fma(p, c, 2.670484306880134e-05);
    p = fma(p, c, 0.0016344148747132652);
    p = fma(p, c, 0.031056229656896705);
    p = fma(p, c, 0.250111939189463);
    p = fma(p, c, 0.9423458730507273);
    p = fma(p, c, 1.6172583000917071);
    p = fma(p, c, 0.9999999999999999);
    q = fma(q, c, 0.00047907992353133814);
    q = fma(q, c, 0.012364453092888592);
    q = fma(q, c, 0.13426808624961764);
    q = fma(q, c, 0.7043729498732869);
    q = fma(q, c, 1.8441879599432203);
    q = fma(q, c, 2.262192366939923);
    q = fma(q, c, 1.0);
    return p / q;
}

#define PSI_2 0.42278433509846713 /* 1 - gamma */
#define EULER 0.5772156649015329
#define HALF_LOG_2PI 0.9189385332046727
#define REST 0.4189385332046727 /* log(2 pi)/2 - 1/2, a digit better than that difference */
#define LARGE 3.0

/* what log Gamma(a) has beyond (a - 1/2) log a - a + log(2 pi)/2, for a = 1/x >= 3.7, and minus its derivative by a */
INLINE double stirling_tail(double x) {
    double z = x * x, series = M13;
#define HORNER(k) series = fma(series, z, M##k)
    BY_HORNER(HORNER)
#undef HORNER
    return x * series;
}

INLINE double stirling_slope(double x) {
    double z = x * x, series = 27.0 * M13;
#define HORNER(k) series = fma(series, z, (2.0 * k + 1.0) * M##k)
    BY_HORNER(HORNER)
#undef HORNER
    return z * series;
}

/* psi(1 + c) - (1 - gamma) for c > 0, r = c - 1 */
INLINE double rise_slope(double c, double r) {
    double x = 1.0 / (1.0 + c), far = natural_log(1.0 + c) - (0.5 * x + stirling_slope(x)) - PSI_2;
    double near = r * rise_slope_curve(c <= LARGE ? c : LARGE);
    return c <= LARGE ? near : far;
}

/* c lambda(e/c) + K(c), lambda(d) = d - log(1 + d), e = t - c, t = b2/b1,
   K(c) = log Gamma(c) - c log c + c - 1 + gamma (c - 1) */
INLINE double exponential_gamma(double b1, double c, double b2, int *fine) {
    double low, t = over(b2, 0.0, b1, &low), r = c - 1.0, d = ((t - c) + low) / c, ratio = t / c;
    double s = d / (2.0 + d), q = s * s;
    double spread = q <= WIDE ? s * (d + q * artanh_tail(q)) : d - natural_log(ratio);
    double total = 2.0 + r, u = r / total, v = u * u, log_c = natural_log(c);
    double rest = v <= WIDE ? r * (v * artanh_tail(v)) : 2.0 * r - total * log_c;
    double near = r * r * rise_curve(c <= LARGE ? c : LARGE) + rest;
    double jump = (c + 0.5) * log_one_plus(1.0 / c) - 1.0;
    double far = (EULER * r + (HALF_LOG_2PI - 1.0)) - 0.5 * log_c + (stirling_tail(1.0 / (1.0 + c)) + jump);
    *fine = AMONG(b1, 1e-90, 1e90) & AMONG(b2, 1e-90, 1e90) & AMONG(c, 1e-90, 1e90);
    return c * spread + (c <= LARGE ? near : far);
}

INLINE void exponential_gamma_slopes(double b1, double c, double b2, double *by, int *fine) {
    double low, t = over(b2, 0.0, b1, &low), r = c - 1.0, e = (t - c) + low, x = 1.0 / (1.0 + c), u = 1.0 / c;
    double near = r * rise_slope_curve(c <= LARGE ? c : LARGE) + r / c - log_quotient(b2, b1, b2 - b1);
    double far = (EULER - (remainder_of(u, 1.0 + u) + (0.5 * x + stirling_slope(x)))) - log_of(e / c, t / c);
    *fine = AMONG(b1, 1e-90, 1e90) & AMONG(b2, 1e-90, 1e90) & AMONG(c, 1e-90, 1e90);
    by[0] = -e / b1;
    by[1] = c <= LARGE ? near : far;
    by[2] = e / b2;
}

/* log Gamma(1 + rho + more), r = rho - 1, and its excess over the tangent */
INLINE double log_gamma_next(double ratio, double more, double r, double *low, double *lift) {
    double near = r * r * rise_curve(ratio <= LARGE ? ratio : LARGE), tangent = fma(PSI_2, r, near);
    double lost, log_lost, less_lost, product_lost, far_lost, a = plus(ratio, 1.0, &lost);
    lost += more;
    double log_a = log_pair(a, lost, &log_lost), less = plus(log_a, -1.0, &less_lost);
    double product = times(a - 0.5, less, &product_lost);
    double far = plus(product, REST + stirling_tail(1.0 / a), &far_lost);
    far_lost += product_lost + fma(a - 0.5, less_lost + log_lost, lost * less);
    *lift = ratio <= LARGE ? near : far - PSI_2 * r;
    *low = ratio <= LARGE ? 0.0 : far_lost;
    return ratio <= LARGE ? tangent : far;
}

/* y = gap + log Gamma(1 + rho), whose terms all but cancel where e^y is not large: each is a pair of numbers */
INLINE double excess_exponent(double ratio, double ratio_low, double r, double gap, double gap_low, double *low,
                              double *lift) {
    double log_gamma_low, lost, log_gamma = log_gamma_next(ratio, ratio_low, r, &log_gamma_low, lift);
    double y = plus(gap, log_gamma, &lost);
    *low = lost + (gap_low + log_gamma_low);
    return rounded(y, low);
}

/* phi(y) + {log Gamma(rho) + gamma (rho - 1)}, and its derivatives by rho and the gap */
INLINE double log_gamma_excess(double ratio, double ratio_low, double r, double gap, double gap_low, int *fine) {
    double lift, low, y = excess_exponent(ratio, ratio_low, r, gap, gap_low, &low, &lift);
    *fine = AMONG(ratio, 1e-90, 1e90) & (y <= HIGHEST);
    return phi(y, low) + (lift + remainder_of(r, ratio));
}

INLINE double excess_slopes(double ratio, double ratio_low, double r, double gap, double gap_low, double *by_gap,
                            int *fine) {
    double lift, low, y = excess_exponent(ratio, ratio_low, r, gap, gap_low, &low, &lift), slope = rise_slope(ratio, r);
    *fine = AMONG(ratio, 1e-90, 1e90) & (y <= HIGHEST);
    *by_gap = growth_of(y, low);
    return (PSI_2 + slope) * *by_gap + (slope + r / ratio);
}

/* Gumbel laws: rho = b1/b2, gap = (m2 - m1)/b2 */
INLINE double gumbel(double m1, double u, double m2, double v, int *fine) {
    int within = COMMON(u) & COMMON(v);
    double lost, ratio_low, gap_low, d = plus(m2, -m1, &lost), ratio = over(u, 0.0, v, &ratio_low);
    double gap = over(d, lost, v, &gap_low), value = log_gamma_excess(ratio, ratio_low, (u - v) / v, gap, gap_low, fine);
    *fine &= within;
    return value;
}

INLINE void gumbel_slopes(double m1, double u, double m2, double v, double *by, int *fine) {
    double lost, ratio_low, gap_low, d = plus(m2, -m1, &lost), ratio = over(u, 0.0, v, &ratio_low), growth;
    double gap = over(d, lost, v, &gap_low);
    double by_ratio = excess_slopes(ratio, ratio_low, (u - v) / v, gap, gap_low, &growth, fine);
    *fine &= COMMON(u) & COMMON(v);
    by[2] = growth / v;
    by[0] = -by[2];
    by[1] = by_ratio / v;
    by[3] = -(by[1] * ratio + by[2] * gap);
}

/* Weibull laws: rho = k2/k1, gap = k2 log(l1/l2) */
INLINE double log_scales(double l1, double l2, double k, double *gap, double *gap_low) {
    double scale_low, log_low, scale = over(l1, 0.0, l2, &scale_low), log = log_pair(scale, scale_low, &log_low);
    *gap = times(k, log, gap_low);
    *gap_low = fma(k, log_low, *gap_low);
    return log;
}

INLINE double weibull(double k1, double l1, double k2, double l2, int *fine) {
    int within = COMMON(k1) & COMMON(k2) & COMMON(l1) & COMMON(l2);
    double gap, gap_low, ratio_low, ratio = over(k2, 0.0, k1, &ratio_low);
    log_scales(l1, l2, k2, &gap, &gap_low);
    double value = log_gamma_excess(ratio, ratio_low, (k2 - k1) / k1, gap, gap_low, fine);
    *fine &= within;
    return value;
}

INLINE void weibull_slopes(double k1, double l1, double k2, double l2, double *by, int *fine) {
    double gap, gap_low, ratio_low, growth, ratio = over(k2, 0.0, k1, &ratio_low);
    double log = log_scales(l1, l2, k2, &gap, &gap_low);
    double by_ratio = excess_slopes(ratio, ratio_low, (k2 - k1) / k1, gap, gap_low, &growth, fine) / k1;
    *fine &= COMMON(k1) & COMMON(k2) & COMMON(l1) & COMMON(l2);
    by[0] = -by_ratio * ratio;
    by[1] = growth * k2 / l1;
    by[2] = by_ratio + growth * log;
    by[3] = -growth * k2 / l2;
}

/* log Gamma(a) and psi(a): through the argument lifted by one below 1.5, where log Gamma vanishes at 1, and lowered by
   one above, where it vanishes at 2 */
INLINE double log_gamma(double a, int *fine) {
    int low = a < 1.5;
    double c = low ? a : a - 1.0, r = low ? a - 1.0 : a - 2.0, bounded = c <= LARGE ? c : LARGE;
    double near = fma(r * r, rise_curve(bounded), PSI_2 * r), log_a = natural_log(a);
    double far = (a - 0.5) * (log_a - 1.0) + (HALF_LOG_2PI - 0.5 + stirling_tail(1.0 / a));
    *fine = AMONG(a, 1e-90, 1e90);
    return c <= LARGE ? near - (low ? log_a : 0.0) : far;
}

INLINE double digamma(double a, int *fine) {
    int low = a < 1.5;
    double c = low ? a : a - 1.0, r = low ? a - 1.0 : a - 2.0, bounded = c <= LARGE ? c : LARGE, x = 1.0 / a;
    double near = fma(r, rise_slope_curve(bounded), PSI_2) - (low ? x : 0.0);
    double far = natural_log(a) - (0.5 * x + stirling_slope(x));
    *fine = AMONG(a, 1e-90, 1e90);
    return c <= LARGE ? near : far;
}

INLINE void log_gamma_slopes(double a, double *by, int *fine) { by[0] = digamma(a, fine); }

INLINE void digamma_slopes(double a, double *by, int *fine) {
    by[0] = curvature(a, fine) + 1.0 / a;
    *fine &= AMONG(a, 1e-90, 1e90);
}
