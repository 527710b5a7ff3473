/* Uniform laws on (l, h) against gamma and beta laws, as in uniform_shapes.py and _log_mean.py; w = h - l,
   m = (l + h)/2. */

/* D = log m - E log x and A, from y = (h - l)/(h + l) and share = l/h */
#define SERIES 0.35
INLINE struct carried middle_half(double share, struct carried y) {
    double root = 2.0 * sqrt(share) / (1.0 + share), total = 1.0 + root;
    return carried_over(y, (struct carried){total, (root - (total - 1.0)) / total});
}

INLINE double log_mean_gap(double share, struct carried y) {
    struct carried half = middle_half(share, y);
    double s = half.value * half.value, p = 0.006533845409998028;
    p = fma(p, s, -0.02625538752642043);
    p = fma(p, s, 0.0516337541535947);
    p = fma(p, s, -0.0732626725558228);
    p = fma(p, s, 0.08768645473387238);
    p = fma(p, s, -0.0995887820677754);
    p = fma(p, s, 0.11066135579903842);
    p = fma(p, s, -0.12547793634921017);
    p = fma(p, s, 0.14212353086488622);
    p = fma(p, s, -0.1678321103453885);
    p = fma(p, s, 0.1979797958386839);
    p = fma(p, s, -0.2539682539200817);
    p = fma(p, s, 0.3238095238089547);
    p = fma(p, s, -0.5333333333333307);
    p = fma(p, s, 0.6666666666666666);
    double log = natural_log(share > 0.0 ? share : 1.0);
    double far = 0.3068528194400547 + log_one_plus(share) + share * log / (1.0 - share);
    return s <= SERIES ? s * (p + 2.0 * half.lost * fma(s, -1.0666666666666667, 0.6666666666666666)) : far;
}

/* A h/m and A l/m, infinite and nothing at l = 0 */
INLINE void by_ends(double l, double h, double w, double *bottom, double *top) {
    double share = l / h, y = w / (l + h), half = middle_half(share, (struct carried){y, 0.0}).value;
    double s = half * half, p = 1.331848006050676;
    p = fma(p, s, -2.3246087856336324);
    p = fma(p, s, 2.2844178990785395);
    p = fma(p, s, -1.190835029625707);
    p = fma(p, s, 0.5759257343913928);
    p = fma(p, s, -0.044314714254231495);
    p = fma(p, s, 0.12715000360328155);
    p = fma(p, s, 0.10757346097537411);
    p = fma(p, s, 0.12589460077176653);
    p = fma(p, s, 0.14355985571410848);
    p = fma(p, s, 0.16783368651701994);
    p = fma(p, s, 0.20202015157310194);
    p = fma(p, s, 0.2539682549780338);
    p = fma(p, s, 0.34285714284656094);
    p = fma(p, s, 0.5333333333333771);
    p = fma(p, s, 1.3333333333333333);
    double far = -0.5 * natural_log(l > 0.0 ? share : 1.0) / y - 1.0;
    double scaled = 2.0 * (s <= SERIES ? s * p : far) / (l + h);
    *bottom = l > 0.0 ? h * scaled : INFINITY;
    *top = l > 0.0 ? l * scaled : 0.0;
}

/* (c - 1) A h/m, nothing where c = 1 at l = 0 */
INLINE double times_bottom(double c, double bottom, double l) { return (l == 0.0) & (c == 1.0) ? 0.0 : (c - 1.0) * bottom; }

/* c e = r m - c to the last digits, and 1 + e */
INLINE double uniform_excess(double l, double h, double c, double r, double *ratio) {
    double total = l + h, product = r * total, lost = lost_by_times(r, total, product) + r * lost_by_plus(l, h, total);
    *ratio = 0.5 * product / c;
    return (0.5 * product - c) + 0.5 * lost;
}

#define SHAPED(l, h, w, c, r) ((((l) == 0.0) | SIZE(fabs(l))) & SIZE(h) & SIZE(w) & SIZE(c) & SIZE(r))

INLINE double uniform_gamma(double l, double h, double c, double r, int *fine) {
    double w = h - l, total = l + h, ratio, e = uniform_excess(l, h, c, r, &ratio), mu, slope;
    struct carried width = {w, lost_by_minus(h, l, w) / w}, both = {total, lost_by_plus(l, h, total) / total};
    struct carried y = carried_over(width, both), shape = {c, 0.0}, two_over_pi = {0.6366197723675814, -6.182238607512212e-17};
    struct carried scale = carried_times(y, carried_root(carried_times(shape, two_over_pi)));
    stirling_remainder(c, &mu, &slope);
    *fine = SHAPED(l, h, w, c, r);
    double value = c * remainder_of(e / c, ratio) + ((c - 1.0) * log_mean_gap(l / h, y) +
                                                     (mu - (natural_log(scale.value) + scale.lost)));
    return l >= 0.0 ? value : INFINITY;
}

INLINE void uniform_gamma_slopes(double l, double h, double c, double r, double *by, int *fine) {
    double w = h - l, ratio, e = uniform_excess(l, h, c, r, &ratio), total = l + h, bottom, top, mu, slope;
    by_ends(l, h, w, &bottom, &top);
    stirling_remainder(c, &mu, &slope);
    double shift = (e + 1.0) / total;
    *fine = SHAPED(l, h, w, c, r);
    by[0] = l >= 0.0 ? shift + (1.0 - times_bottom(c, bottom, l)) / w : 0.0;
    by[1] = l >= 0.0 ? shift - (1.0 - (c - 1.0) * top) / w : 0.0;
    by[2] = l >= 0.0 ? log_mean_gap(l / h, (struct carried){w / total, 0.0}) + (slope - 0.5 / c) - log_of(e / c, ratio) : 0.0;
    by[3] = l >= 0.0 ? e / r : 0.0;
}

/* 2 m, 2 (1 - m) and 2 (n m - a) to the last digits */
INLINE double beta_middle(double l, double h, double a, double b, struct carried *total, struct carried *rest) {
    double t = l + h, t_low = lost_by_plus(l, h, t), nearly = 2.0 - t, lost = lost_by_minus(2.0, t, nearly) - t_low;
    double u = nearly + lost, u_low = lost_by_plus(nearly, lost, u); /* all but nothing may be left of 2 */
    *total = (struct carried){t, t_low / t};
    *rest = (struct carried){u, u_low / u};
    return product_difference(b, t, a, u) + (b * t_low - a * u_low);
}

/* (k(1) - k(c))/(c - 1) of k(c) = rise_curve(c), for 0 <= c <= 2.6 */
INLINE double rise_bend(double c) {
    double p = 1.9901849432296576e-09, q = 4.1875697049556674e-05;
    p = fma(p, c, 1.3075300340834582e-05);
    p = fma(p, c, 0.00062668907088325);
    p = fma(p, c, 0.009433764958186985);
    p = fma(p, c, 0.062444080739424694);
    p = fma(p, c, 0.20680839388946004);
    p = fma(p, c, 0.3557532948426095);
    p = fma(p, c, 0.30264144523980846);
    p = fma(p, c, 0.10031730167435392);
    q = fma(q, c, 0.002351117333076331);
    q = fma(q, c, 0.042954957675525526);
    q = fma(q, c, 0.3582840398387984);
    q = fma(q, c, 1.5645166568797972);
    q = fma(q, c, 3.788910057571587);
    q = fma(q, c, 5.098735756259147);
    q = fma(q, c, 3.556270627439762);
    q = fma(q, c, 1.0);
    return p / q;
}

/* r - log c - r^2/2 - r^3 bend(c), c = 1 + r */
INLINE double third_order(double r, double c) {
    double s = r / (r + 2.0), q = s * s, half = 0.5 * r * r;
    double near = s * (q * artanh_tail(q) - half), far = (r - natural_log(c)) - half;
    return (q <= WIDE ? near : far) - r * r * r * rise_bend(c);
}

/* 1 + E log x */
INLINE double mean_log(double l, double h, double w) {
    return natural_log(h) + l * log_quotient(h, l > 0.0 ? l : h, w) / w;
}

INLINE int beta_vanishes(double a, double b) { return AMONG(a + b, 1.1, 2.6); }

INLINE double uniform_beta(double l, double h, double a, double b, int *fine) {
    struct carried t, u;
    double d = beta_middle(l, h, a, b, &t, &u), w = h - l, n = a + b, mu_a, mu_b, mu_n, slope;
    struct carried width = {w, lost_by_minus(h, l, w) / w}, y = carried_over(width, t), z = carried_over(width, u);
    struct carried area = carried_times((struct carried){a, 0.0}, (struct carried){b, 0.0});
    struct carried mean = carried_over((struct carried){n, lost_by_plus(a, b, n) / n}, area);
    struct carried eighth_pi = {0.39269908169872414, 3.8981718325193755e-17};
    struct carried scale = carried_times(carried_over(u, y), carried_root(carried_times(mean, eighth_pi)));
    stirling_remainder(a, &mu_a, &slope);
    stirling_remainder(b, &mu_b, &slope);
    stirling_remainder(n, &mu_n, &slope);
    double gaps = (a - 1.0) * log_mean_gap(l / h, y) +
                  (b - 1.0) * log_mean_gap((1.0 - h) / (1.0 - l), z);
    double logs = natural_log(scale.value) + (scale.lost + ((mu_a + mu_b) - mu_n));
    double shares = entropy_term(a, 0.5 * n * t.value, 0.5 * d) + entropy_term(b, 0.5 * n * u.value, -0.5 * d);
    double far = shares + (gaps + logs);

    double r = a - 1.0, s = b - 1.0, both = r + s, difference = a - b;
    double cubes = third_order(r, a) + third_order(s, b) + both * both * both * rise_bend(n - 1.0);
    double means = r * mean_log(l, h, w) + s * mean_log(1.0 - h, 1.0 - l, w) + log_width(l, h);
    double near = (0.5 * difference * difference + 0.3550659331517736 * r * s + cubes) - means;

    *fine = SHAPED(l, h, w, a, b);
    return (l >= 0.0) & (h <= 1.0) ? (beta_vanishes(a, b) ? near : far) : INFINITY;
}

INLINE void uniform_beta_slopes(double l, double h, double a, double b, double *by, int *fine) {
    struct carried t, u;
    double d = beta_middle(l, h, a, b, &t, &u), w = h - l, n = a + b, mu, at_a, at_b, at_n;
    double bottom, top, other_bottom, other_top, shift = (d + (u.value - t.value)) / (t.value * u.value);
    by_ends(l, h, w, &bottom, &top);
    by_ends(1.0 - h, 1.0 - l, w, &other_top, &other_bottom);
    stirling_remainder(a, &mu, &at_a);
    stirling_remainder(b, &mu, &at_b);
    stirling_remainder(n, &mu, &at_n);
    double common = at_n - 0.5 / n;
    double far_a = log_mean_gap(l / h, (struct carried){w / t.value, 0.0}) + ((at_a - 0.5 / a) - common) +
                   log_quotient(a, 0.5 * n * t.value, -0.5 * d);
    double far_b = log_mean_gap((1.0 - h) / (1.0 - l), (struct carried){w / u.value, 0.0}) + ((at_b - 0.5 / b) - common) +
                   log_quotient(b, 0.5 * n * u.value, 0.5 * d);

    double r = a - 1.0, s = b - 1.0, both = (r + s) * rise_slope_curve(n - 1.0);
    double near_a = r / a + r * rise_slope_curve(a) - both - mean_log(l, h, w);
    double near_b = s / b + s * rise_slope_curve(b) - both - mean_log(1.0 - h, 1.0 - l, w);

    int within = (l >= 0.0) & (h <= 1.0), near = beta_vanishes(a, b);
    *fine = SHAPED(l, h, w, a, b);
    by[0] = within ? shift + (1.0 - times_bottom(a, bottom, l) - (b - 1.0) * other_bottom) / w : 0.0;
    by[1] = within ? shift - (1.0 - (a - 1.0) * top - times_bottom(b, other_top, 1.0 - h)) / w : 0.0;
    by[2] = within ? (near ? near_a : far_a) : 0.0;
    by[3] = within ? (near ? near_b : far_b) : 0.0;
}
