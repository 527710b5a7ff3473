/* The kernels, compiled once for each set of instructions: TARGET is the attribute, NAMED(f) the name there.

   A kernel gets n elements of each input. A value kernel says whether it vouches for all of them: where an element is
   beyond its range (overflow or underflow on the way, NaN) it writes NaN, and the formula in Python does that one.
   A products kernel writes the derivative by each input times the incoming gradient. */

#define VALUE64(name, inputs) TARGET static int NAMED(name)(const double *restrict *inputs, double *restrict out, long n)
#define VALUE32(name, inputs) TARGET static int NAMED(name)(const float *restrict *inputs, float *restrict out, long n)

/* KL[N(m1, s1) || N(m2, s2)]

   Near equality, with a = s1 - s2, b = m1 - m2, S = s1 + s2, h = s2/S and s = a/S = 1 - 2 h, it is

       (a^2 G + b^2) / (2 s2^2),   G = 1 + 2 (d - log(1 + d)) / d^2 = 1 + 2 h (1 + h s P(s^2)),   d = a/s2,

   where rounding is felt in G and once at the end only: what a, b, the products, the sum and the quotient lose is put
   back. Elsewhere it is (r^2 - 1 + t^2) / 2 - log r, r = s1/s2, t = b/s2, with the same care. */
VALUE64(normal_by_std_value64, x) {
    const double *restrict m1 = x[0], *restrict s1 = x[1], *restrict m2 = x[2], *restrict s2 = x[3];
    double beyond = 0.0;
    INDEPENDENT
    for (long i = 0; i < n; i++) {
        double u = s1[i], v = s2[i], a = u - v, b = m1[i] - m2[i], size = fabs(b);
        double a_low = lost_by_minus(u, v, a), b_low = lost_by_minus(m1[i], m2[i], b);
        int fine = (u >= 1e-90) & (u <= 1e90) & (v >= 1e-90) & (v <= 1e90) & (size <= 1e90) &
                   ((size == 0.0) | (size >= 1e-120));
        beyond += fine ? 0.0 : 1.0;
        double inverse = 1.0 / v, inverse2 = inverse * inverse, v2 = v * v, v2_low = lost_by_times(v, v, v2);
        double b2 = b * b, b2_low = lost_by_times(b, b, b2) + 2.0 * b * b_low;

        double h = v / (u + v), s = 1.0 - 2.0 * h, q = s * s;
        double g = 1.0 + 2.0 * h * fma(h * s, artanh_tail(q), 1.0);
        double a2 = a * a, a2_low = lost_by_times(a, a, a2) + 2.0 * a * a_low;
        double spread = a2 * g, spread_low = lost_by_times(a2, g, spread) + a2_low * g;
        double sum = spread + b2, sum_low = lost_by_plus(spread, b2, sum) + spread_low + b2_low;
        double quotient = sum * inverse2;
        double near = 0.5 * (quotient + (fma(-quotient, v2, sum) + sum_low - quotient * v2_low) * inverse2);

        double r = u * inverse, r_low = fma(-r, v, u) * inverse, r2 = r * r;
        double r2_low = lost_by_times(r, r, r2) + 2.0 * r * r_low;
        double t2 = b2 * inverse2;
        t2 += (fma(-t2, v2, b2) + b2_low - t2 * v2_low) * inverse2;
        double c = r2 - 1.0, c_low = lost_by_minus(r2, 1.0, c);
        double squares = c + t2, squares_low = lost_by_plus(c, t2, squares) + c_low + r2_low;
        double log_r = natural_log(r), half = 0.5 * squares, far = half - log_r;
        far += lost_by_minus(half, log_r, far) + 0.5 * squares_low - r_low / r;

        out[i] = !fine ? NAN : q <= WIDE ? near : far;
    }
    return beyond == 0.0;
}

/* the same from float32 in float64, of which nine digits are wanted */
VALUE32(normal_by_std_value32, x) {
    const float *restrict m1 = x[0], *restrict s1 = x[1], *restrict m2 = x[2], *restrict s2 = x[3];
    int beyond = 0;
    INDEPENDENT
    for (long i = 0; i < n; i++) {
        double u = s1[i], v = s2[i], b = (double)m1[i] - m2[i];
        int fine = (s1[i] > 0.0f) & (s1[i] < INFINITY) & (s2[i] > 0.0f) & (s2[i] < INFINITY) & (fabs(b) < 1e300);
        beyond |= !fine;
        double inverse = 1.0 / v, r = u * inverse, d = (u - v) * inverse, t = b * inverse;
        double far = 0.5 * d * (r + 1.0) - natural_log(r), near = d * d * (1.0 + d * (0.25 * d - 1.0 / 3.0));
        out[i] = fine ? (float)(0.5 * t * t + (fabs(d) < 1e-3 ? near : far)) : NAN;
    }
    return !beyond;
}

#define NORMAL_BY_STD_PRODUCTS(name, real)                                                                       \
    TARGET static void NAMED(name)(const real *restrict *x, const real *restrict g, real *restrict *out, long n) { \
        const real *restrict m1 = x[0], *restrict s1 = x[1], *restrict m2 = x[2], *restrict s2 = x[3];           \
        real *restrict by_m1 = out[0], *restrict by_s1 = out[1], *restrict by_m2 = out[2], *restrict by_s2 = out[3]; \
        INDEPENDENT                                                                           \
        for (long i = 0; i < n; i++) {                                                                           \
            double u = s1[i], v = s2[i], t = ((double)m1[i] - m2[i]) / v;                                        \
            double mean = g[i] * (t / v), excess = (u - v) / v * ((u + v) / v);                                  \
            by_m1[i] = (real)mean;                                                                               \
            by_s1[i] = (real)(g[i] * (excess / u));                                                              \
            by_m2[i] = (real)-mean;                                                                              \
            by_s2[i] = (real)(g[i] * -((excess + t * t) / v));                                                   \
        }                                                                                                        \
    }
NORMAL_BY_STD_PRODUCTS(normal_by_std_products64, double)
NORMAL_BY_STD_PRODUCTS(normal_by_std_products32, float)

static const struct kernel NAMED(kernels)[] = {
    {"normal_by_std", 4, (value_of)NAMED(normal_by_std_value64), (value_of)NAMED(normal_by_std_value32),
     (products_of)NAMED(normal_by_std_products64), (products_of)NAMED(normal_by_std_products32)},
    {NULL, 0, NULL, NULL, NULL, NULL},
};
