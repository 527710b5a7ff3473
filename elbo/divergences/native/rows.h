/* Categorical and Dirichlet laws: rows of numbers that are summed up, LANES rows at a time so that the sums run over
   vectors.

   Compiled once for each set of instructions, as kernels.h. A row that is beyond the formulas' range (probabilities of
   zero, logits 600 apart) gets NaN, and the formula in Python does it. The formulas are those of
   categorical.py and gamma.py. */

struct NAMED(tile) {
    double a[MOST * LANES], b[MOST * LANES]; /* the inputs, transposed */
    double q[MOST * LANES], p[MOST * LANES], y[MOST * LANES], z[MOST * LANES];
    int fine[LANES];
};

#define EACH_LANE for (int l = 0; l < LANES; l++)
#define EACH for (long k = 0; k < n * LANES; k += LANES) EACH_LANE

/* q, p and y = log(p/q) from logits a and b. What the logits have in common never enters: y is the difference d of the
   logits, counted from the likeliest outcome, less log1p(sum q (e^d - 1)). */
TARGET static void NAMED(logits)(struct NAMED(tile) *t, long n) {
    double top_a[LANES], top_b[LANES], low_a[LANES], low_b[LANES], sum_a[LANES], sum_b[LANES], centre[LANES];
    double rest[LANES], shift[LANES], widest[LANES], norm[LANES], log_a[LANES], log_b[LANES], likeliest[LANES], scale[LANES];
    EACH_LANE {
        top_a[l] = low_a[l] = t->a[l];
        top_b[l] = low_b[l] = t->b[l];
        sum_a[l] = sum_b[l] = shift[l] = widest[l] = 0.0;
        centre[l] = rest[l] = likeliest[l] = -INFINITY;
    }
    EACH {
        double a = t->a[k + l], b = t->b[k + l];
        top_a[l] = a > top_a[l] ? a : top_a[l];
        top_b[l] = b > top_b[l] ? b : top_b[l];
        low_a[l] = a > low_a[l] ? low_a[l] : a; /* a NaN stays, and is refused */
        low_b[l] = b > low_b[l] ? low_b[l] : b;
    }
    EACH_LANE t->fine[l] = (top_a[l] - low_a[l] <= 600.0) & (top_b[l] - low_b[l] <= 600.0);
    EACH {
        double a = t->a[k + l], b = t->b[k + l], d = b - a, e = a - top_a[l], f = b - top_b[l];
        double weight_a = exponential(e), weight_b = exponential(f), low = lost_by_minus(b, a, d);
        weight_a = fma(weight_a, lost_by_minus(a, top_a[l], e), weight_a);
        weight_b = fma(weight_b, lost_by_minus(b, top_b[l], f), weight_b);
        sum_a[l] += t->q[k + l] = weight_a;
        sum_b[l] += t->p[k + l] = weight_b;
        centre[l] = (a == top_a[l]) & (d > centre[l]) ? d : centre[l];
        rest[l] = (a == top_a[l]) & (low > rest[l]) ? low : rest[l];
        likeliest[l] = (a == top_a[l]) & (b > likeliest[l]) ? b : likeliest[l];
    }
    /* q e^y of a large y would feel the rounding of y: it is p but for this */
    EACH_LANE scale[l] = exponential(top_b[l] - likeliest[l] < 600.0 ? top_b[l] - likeliest[l] : 600.0);
    EACH {
        double a = t->a[k + l], b = t->b[k + l], d = b - a;
        double y = (d - centre[l]) + (lost_by_minus(b, a, d) - rest[l]);
        shift[l] += y <= 1.0 ? t->q[k + l] * exp_minus_one(y) : fma(t->p[k + l], scale[l], -t->q[k + l]);
        widest[l] = fabs(y) > widest[l] ? fabs(y) : widest[l];
        t->y[k + l] = y;
    }
    EACH_LANE {
        t->fine[l] &= widest[l] <= 600.0;
        shift[l] /= sum_a[l];
        norm[l] = log_one_plus((shift[l] > -0.5) & (shift[l] < 1.0) ? shift[l] : 0.0);
        log_a[l] = natural_log(sum_a[l]);
        log_b[l] = natural_log(sum_b[l]);
        sum_a[l] = 1.0 / sum_a[l];
        sum_b[l] = 1.0 / sum_b[l];
    }
    EACH {
        double far = ((t->b[k + l] - top_b[l]) - log_b[l]) - ((t->a[k + l] - top_a[l]) - log_a[l]);
        t->y[k + l] = (shift[l] > -0.5) & (shift[l] < 1.0) ? t->y[k + l] - norm[l] : far;
        t->q[k + l] *= sum_a[l];
        t->p[k + l] *= sum_b[l];
    }
}

/* sum q phi(y), phi(y) = e^y - 1 - y */
TARGET static void NAMED(logits_value)(struct NAMED(tile) *t, long n, double *restrict value) {
    NAMED(logits)(t, n);
    EACH_LANE value[l] = 0.0;
    EACH {
        double q = t->q[k + l], y = t->y[k + l];
        int near = fabs(y) <= 1.0;
        value[l] += near ? q * phi_series(near ? y : 0.0) : (t->p[k + l] - q) - q * y;
    }
}

/* By a: q (sum q y - y), counted from the likeliest outcome; by b: p - q = q (e^y - 1). Into a and b. */
TARGET static void NAMED(logits_slopes)(struct NAMED(tile) *t, long n) {
    double top[LANES], centre[LANES], mean[LANES];
    NAMED(logits)(t, n);
    EACH_LANE {
        top[l] = t->a[l];
        mean[l] = 0.0;
        centre[l] = -INFINITY;
    }
    EACH top[l] = t->a[k + l] > top[l] ? t->a[k + l] : top[l];
    EACH centre[l] = (t->a[k + l] == top[l]) & (t->y[k + l] > centre[l]) ? t->y[k + l] : centre[l];
    EACH mean[l] = fma(t->q[k + l], t->y[k + l] - centre[l], mean[l]);
    EACH {
        double q = t->q[k + l], y = t->y[k + l];
        int near = fabs(y) <= 1.0;
        t->a[k + l] = q * (mean[l] - (y - centre[l]));
        t->b[k + l] = near ? q * (y + phi_series(near ? y : 0.0)) : t->p[k + l] - q;
    }
}

/* Sums of the weights a and b, and y = (sum a / sum b) b - a from differences. */
TARGET static void NAMED(weights)(struct NAMED(tile) *t, long n, double *restrict total_a, double *restrict total_b) {
    double drift[LANES];
    EACH_LANE {
        total_a[l] = total_b[l] = drift[l] = 0.0;
        t->fine[l] = 1;
    }
    EACH {
        double a = t->a[k + l], b = t->b[k + l];
        total_a[l] += a;
        total_b[l] += b;
        drift[l] += b - a;
        t->fine[l] &= COMMON(a) & COMMON(b);
    }
    EACH {
        double a = t->a[k + l], b = t->b[k + l];
        t->y[k + l] = ((b - a) * total_a[l] - a * drift[l]) / total_b[l];
        t->p[k + l] = b * (total_a[l] / total_b[l]);
    }
}

TARGET static void NAMED(weights_value)(struct NAMED(tile) *t, long n, double *restrict value) {
    double total_a[LANES], total_b[LANES];
    NAMED(weights)(t, n, total_a, total_b);
    EACH_LANE value[l] = 0.0;
    EACH value[l] += entropy_term(t->a[k + l], t->p[k + l], t->y[k + l]);
    EACH_LANE value[l] /= total_a[l];
}

TARGET static void NAMED(weights_slopes)(struct NAMED(tile) *t, long n) {
    double total_a[LANES], total_b[LANES], mean[LANES];
    NAMED(weights)(t, n, total_a, total_b);
    EACH_LANE mean[l] = 0.0;
    EACH {
        double ratio = log_quotient(t->p[k + l], t->a[k + l], t->y[k + l]);
        t->q[k + l] = ratio;
        mean[l] = fma(t->a[k + l], ratio, mean[l]);
    }
    EACH_LANE mean[l] /= total_a[l];
    EACH {
        t->a[k + l] = (mean[l] - t->q[k + l]) / total_a[l];
        t->b[k + l] = t->y[k + l] / (t->b[k + l] * total_a[l]);
    }
}

/* The excess y of a Dirichlet law and q = 1 + y: a sum b - b sum a over b sum a, less what the totals have lost. */
TARGET static void NAMED(shares)(struct NAMED(tile) *t, long n, double *restrict total_a, double *restrict total_b,
                                 double *restrict drift) {
    double lost[LANES];
    EACH_LANE {
        total_a[l] = total_b[l] = drift[l] = lost[l] = 0.0;
        t->fine[l] = 1;
    }
    EACH {
        double a = t->a[k + l], b = t->b[k + l];
        total_a[l] += a;
        total_b[l] += b;
        drift[l] += b - a;
        t->fine[l] &= POSITIVE(a) & POSITIVE(b);
    }
    EACH_LANE t->fine[l] &= POSITIVE(total_a[l]) & POSITIVE(total_b[l]);
    EACH {
        double a = t->a[k + l], b = t->b[k + l], mine = a * total_b[l], theirs = total_a[l] * b;
        double rounding = lost_by_times(a, total_b[l], mine) - lost_by_times(b, total_a[l], theirs);
        double e = ((mine - theirs) + rounding) / theirs;
        lost[l] += b * e;
        t->y[k + l] = e;
        t->q[k + l] = mine / theirs;
    }
    EACH_LANE lost[l] /= total_b[l];
    EACH t->y[k + l] -= lost[l] * t->q[k + l];
}

/* Row l: where the largest concentration of q is, the sums of all others, and whether it dwarfs them. */
struct NAMED(rest) {
    long top;
    double a1, b1, a2, b2, db;
    int narrow, both, spread;
};

INLINE struct NAMED(rest) NAMED(rest_of)(const struct NAMED(tile) *t, long n, int l) {
    struct NAMED(rest) r = {l, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0};
    for (long k = l; k < n * LANES; k += LANES) r.top = t->a[k] > t->a[r.top] ? k : r.top;
    for (long k = l; k < n * LANES; k += LANES) {
        r.b1 += k == r.top ? 0.0 : t->a[k];
        r.b2 += k == r.top ? 0.0 : t->b[k];
        r.db += k == r.top ? 0.0 : t->b[k] - t->a[k];
    }
    r.a1 = t->a[r.top];
    r.a2 = t->b[r.top];
    r.narrow = narrow(r.a1, r.b1);
    r.both = both_narrow(r.a1, r.b1, r.a2, r.b2);
    r.spread = spread_out(r.a1, r.b1, r.a2, r.b2);
    return r;
}

TARGET static void NAMED(dirichlet_value)(struct NAMED(tile) *t, long n, double *restrict value) {
    double total_a[LANES], total_b[LANES], drift[LANES], top[LANES];
    NAMED(shares)(t, n, total_a, total_b, drift);
    EACH_LANE value[l] = top[l] = 0.0;
    EACH {
        int fine;
        double a = t->a[k + l], b = t->b[k + l];
        top[l] = a > top[l] ? a : top[l];
        value[l] += b * remainder_of(t->y[k + l], t->q[k + l]) + bregman(a, b, b - a, &fine);
    }
    EACH_LANE {
        int fine;
        value[l] -= bregman(total_a[l], total_b[l], drift[l], &fine);
    }
    EACH_LANE {
        if (!narrow(top[l], 0.5 * (total_a[l] - top[l]))) continue; /* half: the difference may have lost its digits */
        struct NAMED(rest) r = NAMED(rest_of)(t, n, l);
        if (!(r.both | r.spread)) continue;
        value[l] = -widening(r.a1, r.b1, r.a2, r.b2, r.db);
        for (long k = l; k < n * LANES; k += LANES) {
            int fine;
            double a = t->a[k], b = t->b[k];
            value[l] += b * remainder_of(t->y[k], t->q[k]) + (k == r.top ? 0.0 : bregman(a, b, b - a, &fine));
        }
    }
}

TARGET static void NAMED(dirichlet_slopes)(struct NAMED(tile) *t, long n) {
    double total_a[LANES], total_b[LANES], drift[LANES], common_a[LANES], common_b[LANES], top[LANES];
    NAMED(shares)(t, n, total_a, total_b, drift);
    EACH_LANE {
        int fine;
        top[l] = 0.0;
        common_a[l] = curvature(total_a[l], &fine);
        common_b[l] = slope_difference(total_a[l], total_b[l], drift[l], &fine);
    }
    EACH {
        int fine;
        double a = t->a[k + l], b = t->b[k + l], d = b - a, e = t->y[k + l];
        top[l] = a > top[l] ? a : top[l];
        t->p[k + l] = slope_difference(a, b, d, &fine) - common_b[l] - log_of(e, t->q[k + l]);
        t->z[k + l] = e * b / a - d * curvature(a, &fine) + drift[l] * common_a[l];
    }
    EACH_LANE {
        if (!narrow(top[l], 0.5 * (total_a[l] - top[l]))) continue;
        struct NAMED(rest) r = NAMED(rest_of)(t, n, l);
        if (!r.narrow) continue;
        t->z[r.top] = t->y[r.top] * r.a2 / r.a1 + (r.db * common_a[l] + (r.a2 - r.a1) * curvature_rise(r.a1, total_a[l], r.b1));
        if (r.both) t->p[r.top] = -widening_slope(r.a1, r.b1, r.a2, r.b2, r.db) - log_of(t->y[r.top], t->q[r.top]);
    }
    EACH {
        t->a[k + l] = t->z[k + l];
        t->b[k + l] = t->p[k + l];
    }
}

#define LOADED(real)                                                             \
    long lanes = rows - first < LANES ? rows - first : LANES;                    \
    for (int l = 0; l < LANES; l++) {                                            \
        const real *x = a + (first + (l < lanes ? l : 0)) * n;                   \
        const real *z = b + (first + (l < lanes ? l : 0)) * n;                   \
        for (long j = 0; j < n; j++) {                                           \
            t.a[j * LANES + l] = x[j];                                           \
            t.b[j * LANES + l] = z[j];                                           \
        }                                                                        \
    }

#define VALUE(name, real, formula)                                                                           \
    TARGET static int NAMED(name)(const void *left, const void *right, void *to, long rows, long n) {        \
        const real *a = left, *b = right;                                                                    \
        real *out = to;                                                                                      \
        struct NAMED(tile) t;                                                                                \
        int vouched = 1;                                                                                     \
        for (long first = 0; first < rows; first += LANES) {                                                 \
            double value[LANES];                                                                             \
            LOADED(real)                                                                                     \
            NAMED(formula)(&t, n, value);                                                                    \
            for (long l = 0; l < lanes; l++) {                                                               \
                vouched &= t.fine[l];                                                                        \
                out[first + l] = (real)(t.fine[l] ? value[l] : NAN);                                         \
            }                                                                                                \
        }                                                                                                    \
        return vouched;                                                                                      \
    }

#define PRODUCTS(name, real, slopes)                                                                         \
    TARGET static int NAMED(name)(const void *left, const void *right, const void *gradient, void *to_a, void *to_b, \
                                  long rows, long n) {                                                       \
        const real *a = left, *b = right, *g = gradient;                                                     \
        real *by_a = to_a, *by_b = to_b;                                                                     \
        struct NAMED(tile) t;                                                                                \
        int vouched = 1;                                                                                     \
        for (long first = 0; first < rows; first += LANES) {                                                 \
            LOADED(real)                                                                                     \
            NAMED(slopes)(&t, n);                                                                            \
            for (long l = 0; l < lanes; l++) {                                                               \
                double factor = t.fine[l] ? (double)g[first + l] : NAN;                                      \
                vouched &= t.fine[l];                                                                        \
                if (by_a)                                                                                    \
                    for (long j = 0; j < n; j++) by_a[(first + l) * n + j] = (real)(t.a[j * LANES + l] * factor); \
                if (by_b)                                                                                    \
                    for (long j = 0; j < n; j++) by_b[(first + l) * n + j] = (real)(t.b[j * LANES + l] * factor); \
            }                                                                                                \
        }                                                                                                    \
        return vouched;                                                                                      \
    }

VALUE(logits_value64, double, logits_value)
VALUE(logits_value32, float, logits_value)
VALUE(weights_value64, double, weights_value)
VALUE(weights_value32, float, weights_value)
PRODUCTS(logits_products64, double, logits_slopes)
PRODUCTS(logits_products32, float, logits_slopes)
PRODUCTS(weights_products64, double, weights_slopes)
PRODUCTS(weights_products32, float, weights_slopes)
VALUE(dirichlet_value64, double, dirichlet_value)
VALUE(dirichlet_value32, float, dirichlet_value)
PRODUCTS(dirichlet_products64, double, dirichlet_slopes)
PRODUCTS(dirichlet_products32, float, dirichlet_slopes)

static const struct kernel NAMED(kernels)[] = {
    {"categorical_by_logits", NAMED(logits_value64), NAMED(logits_value32), NAMED(logits_products64),
     NAMED(logits_products32)},
    {"categorical_by_weights", NAMED(weights_value64), NAMED(weights_value32), NAMED(weights_products64),
     NAMED(weights_products32)},
    {"dirichlet", NAMED(dirichlet_value64), NAMED(dirichlet_value32), NAMED(dirichlet_products64),
     NAMED(dirichlet_products32)},
    {NULL, NULL, NULL, NULL, NULL},
};

#undef EACH
#undef EACH_LANE
#undef LOADED
#undef VALUE
#undef PRODUCTS
