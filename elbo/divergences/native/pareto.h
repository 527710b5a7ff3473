/* Pareto laws against exponential, gamma and normal ones, as in pareto.py. */

/* a - 1, c e = r E - c to the last digits, and 1 + e, with the mean E = x a/(a - 1) */
INLINE double pareto_excess(double x, double a, double c, double r, double *above, double *ratio) {
    double product = x * r;
    *above = a - 1.0;
    double lost = lost_by_times(x, r, product) * a - c * (a - (*above + 1.0));
    *ratio = product * a / (c * *above);
    return (product_difference(product, a, c, *above) + lost) / *above;
}

/* c {L(-1/a) + L(e)} + log(a sqrt(2 pi/c)) - 1 + mu(c), L(d) = d - log(1 + d) */
INLINE double pareto_gamma(double x, double a, double c, double r, int *fine) {
    double above, ratio, e = pareto_excess(x, a, c, r, &above, &ratio), mu, slope;
    stirling_remainder(c, &mu, &slope);
    double spread = remainder_of(-1.0 / a, above / a) + remainder_of(e / c, ratio);
    double value = c * spread + (natural_log(a * sqrt(6.283185307179586 / c)) - 1.0) + mu;
    *fine = SIZE(x) & SIZE(a) & SIZE(c) & SIZE(r);
    return a > 1.0 ? value : INFINITY;
}

/* the derivative by a, (1 + c/a - r E/(a - 1))/a, by what is less: r E, or its distance from c */
INLINE double pareto_by_alpha(double a, double above, double c, double e, double ratio) {
    double inverse = 1.0 / a;
    return inverse * (1.0 + (ratio < 0.5 ? c * inverse - c * ratio / above : -(c * inverse + e) / above));
}

INLINE void pareto_gamma_slopes(double x, double a, double c, double r, double *by, int *fine) {
    double above, ratio, e = pareto_excess(x, a, c, r, &above, &ratio), inverse = 1.0 / a, mu, slope;
    stirling_remainder(c, &mu, &slope);
    *fine = SIZE(x) & SIZE(a) & SIZE(c) & SIZE(r);
    by[0] = a > 1.0 ? e / x : 0.0;
    by[1] = a > 1.0 ? pareto_by_alpha(a, above, c, e, ratio) : 0.0;
    by[2] = a > 1.0 ? (slope - 0.5 / c) + remainder_of(-inverse, above * inverse) - log_of(e / c, ratio) : 0.0;
    by[3] = a > 1.0 ? e / r : 0.0;
}

/* log(a/(x r)) - 1/a - 1 + r E; its slopes are those of c = 1 */
INLINE double pareto_exponential(double x, double a, double r, int *fine) {
    double product = x * r, value = (natural_log(a / product) - 1.0 / a) - 1.0 + product * a / (a - 1.0);
    *fine = SIZE(x) & SIZE(a) & SIZE(r);
    return a > 1.0 ? value : INFINITY;
}

INLINE void pareto_exponential_slopes(double x, double a, double r, double *by, int *fine) {
    double above, ratio, e = pareto_excess(x, a, 1.0, r, &above, &ratio);
    *fine = SIZE(x) & SIZE(a) & SIZE(r);
    by[0] = a > 1.0 ? e / x : 0.0;
    by[1] = a > 1.0 ? pareto_by_alpha(a, above, 1.0, e, ratio) : 0.0;
    by[2] = a > 1.0 ? e / r : 0.0;
}

/* a - 1, the variance over s^2, and the distance of the means in units of s */
INLINE void pareto_moments(double x, double a, double m, double s, double *above, double *spread, double *gap) {
    *above = a - 1.0;
    double unit = *above * s, deviation = x / unit;
    *spread = deviation * deviation * (a / (a - 2.0));
    *gap = product_difference(x, a, m, *above) / unit;
}

/* log(a s sqrt(2 pi)/x) - 1/a - 1 + (variance + gap^2)/2 */
INLINE double pareto_normal(double x, double a, double m, double s, int *fine) {
    double above, spread, gap;
    pareto_moments(x, a, m, s, &above, &spread, &gap);
    double value = (natural_log(a * (s / x) * ROOT_2PI) - 1.0) - 1.0 / a + 0.5 * (spread + gap * gap);
    *fine = SIZE(x) & SIZE(a) & (fabs(m) <= 1e50) & SIZE(s);
    return a > 2.0 ? value : INFINITY;
}

INLINE void pareto_normal_slopes(double x, double a, double m, double s, double *by, int *fine) {
    double above, spread, gap;
    pareto_moments(x, a, m, s, &above, &spread, &gap);
    double inverse = 1.0 / a, shift = gap / s;
    double by_alpha = inverse * (1.0 + inverse) - spread * (inverse / (a - 2.0) + 1.0 / above);
    *fine = SIZE(x) & SIZE(a) & (fabs(m) <= 1e50) & SIZE(s);
    by[0] = a > 2.0 ? (spread - 1.0) / x + shift * a / above : 0.0;
    by[1] = a > 2.0 ? by_alpha - shift * x / (above * above) : 0.0;
    by[2] = a > 2.0 ? -shift : 0.0;
    by[3] = a > 2.0 ? (1.0 - (spread + gap * gap)) / s : 0.0;
}
