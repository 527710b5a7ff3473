/* The normaliser of e^(eta x) on (0, 1) beside its tangent; tables and formulas are those of _tilting.py.

   A(eta) = log((e^eta - 1)/eta) = eta/2 + N(eta), N even and for |eta| <= 3 a polynomial in z = eta^2. */
#define NEAR_ZERO 9.0
#define APART 0.75

/* N(eta)/z, (A' - 1/2)/eta and A'' */
INLINE double normaliser_series(double z) {
    double p = 1.5575197163057653e-26;
    p = fma(p, z, -1.7852249484283497e-24);
    p = fma(p, z, 1.1274617880749139e-22);
    p = fma(p, z, -5.542694171945358e-21);
    p = fma(p, z, 2.480989668210397e-19);
    p = fma(p, z, -1.0859910998856418e-17);
    p = fma(p, z, 4.769370236569843e-16);
    p = fma(p, z, -2.1185277904756955e-14);
    p = fma(p, z, 9.558949216186491e-13);
    p = fma(p, z, -4.403491689082966e-11);
    p = fma(p, z, 2.0876756977142835e-09);
    p = fma(p, z, -1.0333994708917054e-07);
    p = fma(p, z, 5.511463844796863e-06);
    p = fma(p, z, -0.0003472222222222222);
    p = fma(p, z, 0.041666666666666664);
    return p;
}

/* ((A' - 1/2)/eta - 1/12)/z */
INLINE double mean_rest(double z) {
    double p = 4.672559148917296e-25;
    p = fma(p, z, -4.998629855599379e-23);
    p = fma(p, z, 2.931400648994776e-21);
    p = fma(p, z, -1.3302466012668858e-19);
    p = fma(p, z, 5.458177270062873e-18);
    p = fma(p, z, -2.1719821997712834e-16);
    p = fma(p, z, 8.584866425825717e-15);
    p = fma(p, z, -3.389644464761113e-13);
    p = fma(p, z, 1.3382528902661088e-11);
    p = fma(p, z, -5.28419002689956e-10);
    p = fma(p, z, 2.0876756977142837e-08);
    p = fma(p, z, -8.267195767133643e-07);
    p = fma(p, z, 3.306878306878118e-05);
    p = fma(p, z, -0.0013888888888888887);
    return p;
}

INLINE double mean_series(double z) { return fma(mean_rest(z), z, 0.08333333333333333); }

INLINE double variance_series(double z) {
    double p = -4.9737008609020095e-22;
    p = fma(p, z, 4.935146019204583e-20);
    p = fma(p, z, -2.6637606503788896e-18);
    p = fma(p, z, 1.1034082414833766e-16);
    p = fma(p, z, -4.094968328635315e-15);
    p = fma(p, z, 1.4577698699806249e-13);
    p = fma(p, z, -5.083858080145757e-12);
    p = fma(p, z, 1.7397131810700118e-10);
    p = fma(p, z, -5.812606323213441e-09);
    p = fma(p, z, 1.8789080974696915e-07);
    p = fma(p, z, -5.787037034937284e-06);
    p = fma(p, z, 0.0001653439153431814);
    p = fma(p, z, -0.004166666666666565);
    p = fma(p, z, 0.08333333333333333);
    return p;
}

INLINE double tilted_variance(double eta) {
    double z = eta * eta, size = fabs(eta), fall = exp_minus_one(-size);
    double far = 1.0 / z - exponential(-size) / (fall * fall);
    return z <= NEAR_ZERO ? variance_series(z) : far;
}

/* A'(eta) - 1/2 */
INLINE double tilted_mean_excess(double eta) {
    double z = eta * eta, size = fabs(eta), far = 0.5 + 1.0 / exp_minus_one(size) - 1.0 / size;
    return z <= NEAR_ZERO ? eta * mean_series(z) : (eta < 0.0 ? -far : far);
}

/* A(x) - x */
INLINE double tilted_lowered(double x) {
    double size = fabs(x), z = x * x, far = natural_log(-exp_minus_one(-size) / size);
    return (x < 0.0 ? size : 0.0) + (z <= NEAR_ZERO ? z * normaliser_series(z) - 0.5 * size : far);
}

/* d/a - log(b/a), d = b - a, with what the roundings lose: two bits of it cancel in A(b) - A(a) - A'(a) d */
INLINE double ratio_remainder(double a, double b, double d) {
    double x = d / a, ratio = b / a, s = x / (x + 2.0), q = s * s;
    double low = (fma(-x, a, d) + lost_by_minus(b, a, d)) / a, ratio_low = fma(-ratio, a, b) / a;
    double far = (x - natural_log(ratio)) + (low - ratio_low / ratio);
    return q <= WIDE ? s * (x + q * artanh_tail(q)) + low * (x / ratio) : far;
}

/* A(b) - A(a) - A'(a) d */
INLINE double tilted(double a, double b, int *fine) {
    double d = b - a, z = a * a, w = b * b;
    double value = 1.5575197163057653e-26, first = 0.0, second = 0.0; /* N, N' and N[z, z, w], by powers of z and w */
#define STEP(c)                     \
    second = fma(second, w, first); \
    first = fma(first, z, value);   \
    value = fma(value, z, c)
    STEP(-1.7852249484283497e-24);
    STEP(1.1274617880749139e-22);
    STEP(-5.542694171945358e-21);
    STEP(2.480989668210397e-19);
    STEP(-1.0859910998856418e-17);
    STEP(4.769370236569843e-16);
    STEP(-2.1185277904756955e-14);
    STEP(9.558949216186491e-13);
    STEP(-4.403491689082966e-11);
    STEP(2.0876756977142835e-09);
    STEP(-1.0333994708917054e-07);
    STEP(5.511463844796863e-06);
    STEP(-0.0003472222222222222);
    STEP(0.041666666666666664);
    STEP(0.0);
#undef STEP
    double total = a + b, near = d * d * (first + total * total * second);

    double sign = a < 0.0 ? -1.0 : 1.0;
    *fine = (fabs(a) <= 600.0) & (fabs(b) <= 600.0);
    a *= sign;
    b *= sign;
    d *= sign;
    double weight = 1.0 / exp_minus_one(a);
    int few = fabs(d) < 30.0, fewer = fabs(d) < 1.0;
    double step = few ? d : 0.0, growth = exp_minus_one(-step), u = -weight * growth;
    double rest = fewer ? phi_series(fewer ? -step : 0.0) : growth + step;
    double second_order = weight * rest + remainder_of(u, 1.0 + u);
    double logs = log_one_plus(-exponential(-a)) - log_one_plus(-exponential(-b));
    double alike = ratio_remainder(a, b, d) - (few ? second_order : logs + d * weight);
    double fall = z <= NEAR_ZERO ? a * mean_series(z) - 0.5 : weight - 1.0 / a;
    double apart = tilted_lowered(b) - tilted_lowered(a) - fall * d;
    double far = (a >= APART) & (b >= APART) ? alike : apart;
    return (z <= NEAR_ZERO) & (w <= NEAR_ZERO) ? near : far;
}

/* A'(b) - A'(a) */
INLINE double tilted_rise(double a, double b) {
    double d = b - a, z = a * a, w = b * b, value = 4.672559148917296e-25, first = 0.0;
#define STEP(c)                   \
    first = fma(first, w, value); \
    value = fma(value, z, c)
    STEP(-4.998629855599379e-23);
    STEP(2.931400648994776e-21);
    STEP(-1.3302466012668858e-19);
    STEP(5.458177270062873e-18);
    STEP(-2.1719821997712834e-16);
    STEP(8.584866425825717e-15);
    STEP(-3.389644464761113e-13);
    STEP(1.3382528902661088e-11);
    STEP(-5.28419002689956e-10);
    STEP(2.0876756977142837e-08);
    STEP(-8.267195767133643e-07);
    STEP(3.306878306878118e-05);
    STEP(-0.0013888888888888887);
    STEP(0.08333333333333333);
#undef STEP
    double near = d * (value + b * (a + b) * first), sign = a < 0.0 ? -1.0 : 1.0;
    a *= sign;
    b *= sign;
    d *= sign;
    double at_a = 1.0 / exp_minus_one(a), at_b = 1.0 / exp_minus_one(b);
    int few = fabs(d) < 1.0;
    double change = few ? exp_minus_one(few ? -d : 0.0) * (at_a * (1.0 + at_b)) : at_b - at_a;
    double apart = tilted_mean_excess(b) - tilted_mean_excess(a);
    double far = (a >= APART) & (b >= APART) ? d / (a * b) + change : apart;
    return (z <= NEAR_ZERO) & (w <= NEAR_ZERO) ? near : sign * far;
}

INLINE void tilted_slopes(double a, double b, double *by, int *fine) {
    *fine = (fabs(a) <= 600.0) & (fabs(b) <= 600.0);
    by[0] = (a - b) * tilted_variance(a);
    by[1] = tilted_rise(a, b);
}
