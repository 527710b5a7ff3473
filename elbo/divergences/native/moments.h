/* Stirling's remainder and its derivatives, and the divergences of beta and gamma laws from normal ones, as in
   _remainders.py, beta.py and gamma_normal.py. */

/* artanh(s)/s - 1 from q = s^2 */
INLINE double artanh_excess(double q) { return q * (-0.5 * artanh_tail(q)); }

/* mu(x) and mu'(x): below 4 those at x + 4 and four terms of one sign */
INLINE void stirling_remainder(double x, double *value, double *slope) {
    double lifted = x < LIFT ? x + LIFT : x, u = 1.0 / lifted;
    double x1 = x + 1.0, x2 = x + 2.0, x3 = x + 3.0;
    double s = 1.0 / (2.0 * x + 1.0), half = s / (1.0 + 2.0 * s * sqrt(x * x1)), q = half * half;
    double t1 = 1.0 / (2.0 * x1 + 1.0), t2 = 1.0 / (2.0 * x2 + 1.0), t3 = 1.0 / (2.0 * x3 + 1.0);
    double r0 = q <= WIDE ? q + (1.0 + q) * artanh_excess(q) : (x + 0.5) * log_one_plus(1.0 / x) - 1.0;
    double r1 = artanh_excess(t1 * t1), r2 = artanh_excess(t2 * t2), r3 = artanh_excess(t3 * t3);
    double steps = (r0 + r1) + (r2 + r3);
    double turns = s * (r0 - 0.25 / (x * x1)) + (t1 * (r1 - 0.25 / (x1 * x2)) + t2 * (r2 - 0.25 / (x2 * x3)) +
                                                 t3 * (r3 - 0.25 / (x3 * (x + 4.0))));
    *value = stirling_tail(u) + (x < LIFT ? steps : 0.0);
    *slope = (x < LIFT ? 2.0 * turns : 0.0) - stirling_slope(u);
}

/* mu''(x) */
INLINE double stirling_curvature(double x) {
    double u = 1.0 / (x < LIFT ? x + LIFT : x), z = u * u, series = 27.0 * 28.0 * M13;
#define HORNER(k) series = fma(series, z, (2.0 * k + 1.0) * (2.0 * k + 2.0) * M##k)
    BY_HORNER(HORNER)
#undef HORNER
    double p0 = x * (x + 1.0), p1 = (x + 1.0) * (x + 2.0), p2 = (x + 2.0) * (x + 3.0), p3 = (x + 3.0) * (x + 4.0);
    double terms = 0.5 * ((1.0 / (p0 * p0) + 1.0 / (p1 * p1)) + (1.0 / (p2 * p2) + 1.0 / (p3 * p3)));
    return z * u * series + (x < LIFT ? terms : 0.0);
}

/* u times the series of -(2 k + 2) M_k z^k without its first term, for x = 1/u >= 4 */
INLINE double stirling_odd(double u) {
    double z = u * u, series = -28.0 * M13;
#define HORNER(k) series = fma(series, z, -(2.0 * k + 2.0) * M##k)
    ABOVE_THE_FIRST(HORNER)
#undef HORNER
    return u * (series * z);
}

/* 1/2x - mu(x) + (x - 1) mu'(x) less 1/3x */
INLINE double gamma_part(double x) {
    double u = 1.0 / x, value, slope;
    stirling_remainder(x, &value, &slope);
    return x >= LIFT ? stirling_odd(u) + stirling_slope(u) : 0.5 * u - value + (x - 1.0) * slope - u / 3.0;
}

/* how far the beta law is from the normal one with its moments */
INLINE double beta_shape(double a, double b, double n) {
    double u = 1.0 / n, gap = a - b, value, slope;
    stirling_remainder(n, &value, &slope);
    double total = n >= LIFT ? stirling_odd(u) + 2.0 * stirling_slope(u) : (n - 2.0) * slope - value + u / 6.0;
    return gap * gap / (3.0 * a * b * n) + ((gamma_part(a) + gamma_part(b)) - (total - 0.5 * remainder_of(u, 1.0 + u)));
}

/* n = a + b; v/s^2 - 1 to the last digits, v/s^2, and the distance of the means in units of s */
INLINE void beta_moments(double a, double b, double m, double s, double *n, double *d, double *ratio, double *gap) {
    double total = a + b, part = total - a, low = (a - (total - part)) + (b - part);
    double wide = s * total, more = total + 1.0, square = wide * wide;
    double lost = lost_by_times(wide, wide, square) + 2.0 * wide * (lost_by_times(s, total, wide) + s * low);
    lost = lost * more + square * (((total - more) + 1.0) + low);
    double whole = square * more;
    *n = total;
    *d = (product_difference(a, b, square, more) - lost) / whole;
    *ratio = a * b / whole;
    *gap = (product_difference(a, 1.0, m, total) - m * low) / total / s;
}

#define LAWS_FINE(a, b, m, s) \
    (AMONG(a, 1e-30, 1e30) & AMONG(b, 1e-30, 1e30) & (fabs(m) <= 1e50) & AMONG(s, 1e-50, 1e50))

INLINE double beta_normal(double a, double b, double m, double s, int *fine) {
    double n, d, ratio, gap;
    beta_moments(a, b, m, s, &n, &d, &ratio, &gap);
    *fine = LAWS_FINE(a, b, m, s);
    return 0.5 * (remainder_of(d, ratio) + gap * gap) + beta_shape(a, b, n);
}

INLINE void beta_normal_slopes(double a, double b, double m, double s, double *by, int *fine) {
    double n, d, ratio, gap;
    beta_moments(a, b, m, s, &n, &d, &ratio, &gap);
    double u = 1.0 / n, both = stirling_curvature(n), next = 1.0 / (n + 1.0);
    double common = u * u + 0.5 * u * next - (n - 2.0) * both - 0.5 * d * (2.0 * u + next), turn = gap / s * u * u;
    by[0] = (a - 1.0) * stirling_curvature(a) - 0.5 / (a * a) + 0.5 * d / a + common + turn * b;
    by[1] = (b - 1.0) * stirling_curvature(b) - 0.5 / (b * b) + 0.5 * d / b + common - turn * a;
    by[2] = -gap / s;
    by[3] = -(d + gap * gap) / s;
    *fine = LAWS_FINE(a, b, m, s);
}

/* J(a) = 1/2a - mu(a) + (a - 1) mu'(a), how far a gamma law is from the normal one with its moments: J a and -J' a^2 in
   powers of u = 1/a for a >= 1, and J - 1/a - 1.5 log a and its derivative in powers of a below; as in _remainders.py */
/* J a */
INLINE double shape_above(double u) {
    double p = 0.13793018289132847;
    p = fma(p, u, 2.0496388074884613);
    p = fma(p, u, 7.883125103117721);
    p = fma(p, u, 15.62636028076872);
    p = fma(p, u, 18.787452835811763);
    p = fma(p, u, 14.255825858230141);
    p = fma(p, u, 7.004588905930964);
    p = fma(p, u, 2.051950113006077);
    p = fma(p, u, 0.3333333333333333);
    double q = 0.1424107456274389;
    q = fma(q, u, 2.7433207581350847);
    q = fma(q, u, 14.595591783683536);
    q = fma(q, u, 34.57075923974289);
    q = fma(q, u, 46.444252389887204);
    q = fma(q, u, 37.71962319492991);
    q = fma(q, u, 19.503970799731583);
    q = fma(q, u, 5.905850339018082);
    q = fma(q, u, 1.0);
    return p / q;
}

/* -J' a^2 */
INLINE double shape_slope_above(double u) {
    double p = 31.694202441716623;
    p = fma(p, u, 107.68267477068734);
    p = fma(p, u, 181.1241571480745);
    p = fma(p, u, 188.4839176648249);
    p = fma(p, u, 130.01007427035407);
    p = fma(p, u, 60.513389462370185);
    p = fma(p, u, 18.663040615826425);
    p = fma(p, u, 3.5439141668103913);
    p = fma(p, u, 0.33333333333333337);
    double q = 31.694217604843733;
    q = fma(q, u, 155.2238260171216);
    q = fma(q, u, 330.1317814444584);
    q = fma(q, u, 401.45240474230394);
    q = fma(q, u, 308.4248159998476);
    q = fma(q, u, 155.215368841763);
    q = fma(q, u, 50.82325059722597);
    q = fma(q, u, 10.131742500431342);
    q = fma(q, u, 1.0);
    return p / q;
}

/* J - 1/a - 1.5 log a */
INLINE double shape_below(double a) {
    double p = -0.0007048943080954547;
    p = fma(p, a, -0.044893555350665436);
    p = fma(p, a, -0.534656002311322);
    p = fma(p, a, -2.0019415731998786);
    p = fma(p, a, -2.4361033611607636);
    p = fma(p, a, -0.07482296866061147);
    p = fma(p, a, 0.9961541981062058);
    double q = 7.687963034579613e-05;
    q = fma(q, a, 0.008266121313418029);
    q = fma(q, a, 0.15277897375552602);
    q = fma(q, a, 0.9371638455542106);
    q = fma(q, a, 2.3725151468780066);
    q = fma(q, a, 2.5800333955061463);
    q = fma(q, a, 1.0);
    return p / q;
}

/* its derivative */
INLINE double shape_slope_below(double a) {
    double p = -2.8135639513108967e-08;
    p = fma(p, a, -0.0943001535808071);
    p = fma(p, a, -0.8725555160939992);
    p = fma(p, a, -3.3088205191432873);
    p = fma(p, a, -6.416263929330941);
    p = fma(p, a, -6.381819836339949);
    p = fma(p, a, -2.6449340668482266);
    double q = 0.06286710631940677;
    q = fma(q, a, 0.6096414567191387);
    q = fma(q, a, 2.4698673633484516);
    q = fma(q, a, 5.305989767030136);
    q = fma(q, a, 6.326612767735944);
    q = fma(q, a, 3.9437155883197734);
    q = fma(q, a, 1.0);
    return p / q;
}

INLINE double gamma_shape(double a) {
    double u = 1.0 / a, above = u * shape_above(a < 1.0 ? 1.0 : u);
    return a < 1.0 ? u + 1.5 * natural_log(a) + shape_below(a < 1.0 ? a : 1.0) : above;
}

INLINE double gamma_shape_slope(double a) {
    double u = 1.0 / a, above = -u * u * shape_slope_above(a < 1.0 ? 1.0 : u);
    return a < 1.0 ? u * (1.5 - u) + shape_slope_below(a < 1.0 ? a : 1.0) : above;
}

/* t - 1 and t, t = (a/b^2)/s^2, and the distance of the means in units of s, all to the last digits */
INLINE void gamma_moments(double a, double b, double m, double s, double *d, double *t, double *gap) {
    double root = b * s, square = root * root, product = m * b;
    double lost = lost_by_times(root, root, square) + 2.0 * root * lost_by_times(b, s, root);
    *d = ((a - square) - lost) / square;
    *t = a / square;
    *gap = ((a - product) - lost_by_times(m, b, product)) / root;
}

INLINE double gamma_normal(double a, double b, double m, double s, int *fine) {
    double d, t, gap;
    gamma_moments(a, b, m, s, &d, &t, &gap);
    *fine = LAWS_FINE(a, b, m, s);
    return 0.5 * (remainder_of(d, t) + gap * gap) + gamma_shape(a);
}

INLINE void gamma_normal_slopes(double a, double b, double m, double s, double *by, int *fine) {
    double d, t, gap;
    gamma_moments(a, b, m, s, &d, &t, &gap);
    double shift = gap / s;
    by[0] = 0.5 * d / a + shift / b + gamma_shape_slope(a);
    by[1] = -(d + shift * a / b) / b;
    by[2] = -shift;
    by[3] = -(d + gap * gap) / s;
    *fine = LAWS_FINE(a, b, m, s);
}

/* Beta(a, b) against Gamma(c, r): with n = a + b, c0 = a n/b and the same moments at c = c0, r = c0 n/a. Where a is so
   small beside b that the beta law is all but Gamma(a, n), the form in Python does it. */
INLINE int beta_is_gamma(double a, double b) { return (12.0 * a * a * a < b * b) & (b > LIFT); }

INLINE void beta_gamma_moments(double a, double b, double c, double r, double *n, double *e, double *ratio, double *step) {
    double total = a + b, part = total - a, low = (a - (total - part)) + (b - part);
    double mine = r * a, theirs = total * c;
    *n = total;
    *e = (product_difference(r, a, total, c) - low * c) / theirs;
    *ratio = mine / theirs;
    *step = (product_difference(c, b, a, total) - a * low) / b;
}

INLINE double beta_gamma(double a, double b, double c, double r, int *fine) {
    int shapes;
    double n, e, ratio, step, va, vb, vn, v0, sa, sb, sn, s0;
    beta_gamma_moments(a, b, c, r, &n, &e, &ratio, &step);
    double c0 = a * n / b;
    stirling_remainder(a, &va, &sa);
    stirling_remainder(b, &vb, &sb);
    stirling_remainder(n, &vn, &sn);
    stirling_remainder(c0, &v0, &s0);
    double rest = 0.5 * a / (b * n) - a * a / b * (sa - sn) + (b - 1.0) * (sb - sn);
    double least = rest + ((vn - vb) + (v0 - va));
    double shape = (least + ((sn - sa) + s0) * step) + bregman(c0, c, step, &shapes);
    *fine = shapes & LAWS_FINE(a, b, c, r) & AMONG(c, 1e-30, 1e30) & !beta_is_gamma(a, b);
    return shape + c * remainder_of(e, ratio);
}

INLINE void beta_gamma_slopes(double a, double b, double c, double r, double *by, int *fine) {
    int shapes;
    double n, e, ratio, step, va, vn, v0, sa, sn, s0;
    beta_gamma_moments(a, b, c, r, &n, &e, &ratio, &step);
    double c0 = a * n / b, gap = step + a * a / b, inverse = 1.0 / n, odds = b / a * inverse, both = stirling_curvature(n);
    stirling_remainder(a, &va, &sa);
    stirling_remainder(n, &vn, &sn);
    stirling_remainder(c0, &v0, &s0);
    both = gap * both - (b - 1.0) * both;
    by[0] = (0.5 * inverse - 0.5 * step * odds * (n / a + 1.0)) * inverse + (both - gap * stirling_curvature(a)) + e * c * odds;
    by[1] = 0.5 * (step * inverse - a / b * (n / b + 1.0) * inverse) * inverse +
            (both + (b - 1.0) * stirling_curvature(b)) - e * c * inverse;
    by[2] = slope_difference(c0, c, step, &shapes) + ((sn - sa) + s0) - log_of(e, ratio);
    by[3] = e * c / r;
    *fine = shapes & LAWS_FINE(a, b, c, r) & AMONG(c, 1e-30, 1e30) & !beta_is_gamma(a, b);
}
