/* Log-normal laws against gamma ones, as in to_gamma.py: a phi(r) + (d - log(1 + d))/2 + mu(a), d = a s^2 - 1,
   r = m + s^2/2 + log(b/a) with its low part, because a r^2 is felt beside mu(a) = 1/12a */
INLINE double lognormal_exponent(double m, double s, double a, double b, double *d, double *ratio, double *low) {
    double square_low, product_low, quotient_low, log_low, mean_low, minus_low;
    double square = times(s, s, &square_low), product = times(a, square, &product_low);
    double quotient = over(b, 0.0, a, &quotient_low), log = log_pair(quotient, quotient_low, &log_low);
    double mean = plus(m, 0.5 * square, &mean_low), r = plus(mean, log, &minus_low);
    *d = (product - 1.0) + fma(a, square_low, product_low);
    *ratio = product;
    *low = (mean_low + minus_low) + fma(0.5, square_low, log_low);
    return rounded(r, low);
}

INLINE double lognormal_gamma(double m, double s, double a, double b, int *fine) {
    double d, ratio, low, mu, slope, r = lognormal_exponent(m, s, a, b, &d, &ratio, &low);
    stirling_remainder(a, &mu, &slope);
    *fine = LAWS_FINE(a, b, m, s) & AMONG(b, 1e-50, 1e50) & (r <= HIGHEST);
    return a * phi(r, low) + (0.5 * remainder_of(d, ratio) + mu);
}

INLINE void lognormal_gamma_slopes(double m, double s, double a, double b, double *by, int *fine) {
    double d, ratio, low, mu, slope, r = lognormal_exponent(m, s, a, b, &d, &ratio, &low), mean = a * growth_of(r, low);
    stirling_remainder(a, &mu, &slope);
    *fine = LAWS_FINE(a, b, m, s) & AMONG(b, 1e-50, 1e50) & (r <= HIGHEST);
    by[0] = mean;
    by[1] = (s * mean * s + d) / s;
    by[2] = (0.5 * d / a - r) + slope;
    by[3] = mean / b;
}
