/* What the largest of a law's concentrations and their total have in common, taken out of beta and Dirichlet laws, as in
   _widening.py. Elements where that is needed are few: the loops are over the places of one element. */

/* S''(b) - S''(a), from terms of one sign */
INLINE double curvature_rise(double a, double b, double d) {
    int large = (a >= LIFT) & (b >= LIFT);
    double lift = large ? 0.0 : LIFT, x = 1.0 / (a + lift), y = 1.0 / (b + lift), z = x * x, w = y * y;
    double value = 27.0 * 28.0 * M13, divided = 0.0;
#define HORNER(k)                         \
    divided = fma(divided, w, value);     \
    value = fma(value, z, (2.0 * k + 1.0) * (2.0 * k + 2.0) * M##k)
    BY_HORNER(HORNER)
#undef HORNER
    double tail = x * y * ((w + x * y + z) * value + w * y * (x + y) * divided);
    double k0 = a * (a + 1.0), k1 = (a + 1.0) * (a + 2.0), k2 = (a + 2.0) * (a + 3.0), k3 = (a + 3.0) * (a + 4.0);
    double n0 = b * (b + 1.0), n1 = (b + 1.0) * (b + 2.0), n2 = (b + 2.0) * (b + 3.0), n3 = (b + 3.0) * (b + 4.0);
#define STEP(j) ((a + b + (2.0 * j + 1.0)) * (k##j + n##j) / (k##j * k##j * (n##j * n##j)))
    double steps = (STEP(0) + STEP(1)) + (STEP(2) + STEP(3));
#undef STEP
    return -d * (tail + 0.5 * ((a + b) / (a * a * (b * b)) + (large ? 0.0 : steps)));
}

/* what the step from S(a) to S(a + 1) has of the following, and that */
INLINE double remainder_term(double a, double b, double d) {
    double share = d / (b * (a + 1.0));
    return d / (a * a) * share + remainder_of(-share, a * (b + 1.0) / (b * (a + 1.0)));
}

/* S'(b) - S'(a) - S''(a) d */
INLINE double slope_remainder(double a, double b, double d) {
    int large = (a >= LIFT) & (b >= LIFT);
    double lift = large ? 0.0 : LIFT, x = 1.0 / (a + lift), y = 1.0 / (b + lift), z = x * x, w = y * y;
    double value = 27.0 * M13, first = 0.0, divided = 0.0, second = 0.0; /* F(z) = -mu'(a), F'(z), F[z, w], F[z, z, w] */
#define HORNER(k)                         \
    second = fma(second, w, first);       \
    divided = fma(divided, w, value);     \
    first = fma(first, z, value);         \
    value = fma(value, z, (2.0 * k + 1.0) * M##k)
    BY_HORNER(HORNER)
#undef HORNER
    second = fma(second, w, first);
    divided = fma(divided, w, value);
    double tail = d * d * z * y * (0.5 + (y + 2.0 * x) * divided + 2.0 * z * (x + y) * second);
    double steps = (remainder_term(a, b, d) + remainder_term(a + 1.0, b + 1.0, d)) +
                   (remainder_term(a + 2.0, b + 2.0, d) + remainder_term(a + 3.0, b + 3.0, d));
    return -(tail + (large ? 0.0 : steps));
}

/* where KL may be much smaller than B(a1 -> a2) and B(t1 -> t2), and which form is then good */
INLINE int narrow(double a1, double b1) { return (3.0 * b1 < a1) & (4.0 * b1 < 1.0); }

INLINE int both_narrow(double a1, double b1, double a2, double b2) { return narrow(a1, b1) & (2.5 * b2 < a2); }

INLINE int spread_out(double a1, double b1, double a2, double b2) {
    return narrow(a1, b1) & (2.5 * b2 >= a2) & (a2 + b2 < a1) & (a2 < 0.6 * a1);
}

/* KL[Beta(a1, b1) || Beta(a2, b2)], with w = a1 b2 - b1 a2 and totals t = a + b:
   a2 R(w/(t1 a2)) + b2 R(-w/(t1 b2)) + B(a1 -> a2) + B(b1 -> b2) - B(t1 -> t2), R(x) = x - log(1 + x) */
INLINE double beta_most(double a1, double b1, double a2, double b2, int *fine) {
    int one, two, both;
    double da = a2 - a1, db = b2 - b1, t1 = a1 + b1, t2 = a2 + b2, w = product_difference(a1, b2, b1, a2);
    double shares = a2 * remainder_of(w / (t1 * a2), a1 * t2 / (t1 * a2)) +
                    b2 * remainder_of(-w / (t1 * b2), b1 * t2 / (t1 * b2));
    double value = shares + (bregman(a1, a2, da, &one) + bregman(b1, b2, db, &two) - bregman(t1, t2, da + db, &both));
    *fine = one & two & both & !(both_narrow(a1, b1, a2, b2) | both_narrow(b1, a1, b2, a2)) &
            !(spread_out(a1, b1, a2, b2) | spread_out(b1, a1, b2, a2));
    return value;
}

INLINE void beta_most_slopes(double a1, double b1, double a2, double b2, double *by, int *fine) {
    int q, p, common, c;
    double da = a2 - a1, db = b2 - b1, t1 = a1 + b1, t2 = a2 + b2, w = product_difference(a1, b2, b1, a2);
    double common_q = curvature(t1, &c), common_p = slope_difference(t1, t2, da + db, &common);
    by[0] = w / (t1 * a1) + (db * common_q + da * curvature_rise(a1, t1, b1));
    by[1] = -w / (t1 * b1) + (da * common_q + db * curvature_rise(b1, t1, a1));
    double by_a2 = slope_difference(a1, a2, da, &q) - common_p - log_of(w / (t1 * a2), a1 * t2 / (t1 * a2));
    double by_b2 = slope_difference(b1, b2, db, &p) - common_p - log_of(-w / (t1 * b2), b1 * t2 / (t1 * b2));
    by[2] = both_narrow(a1, b1, a2, b2) ? NAN : by_a2;
    by[3] = both_narrow(b1, a1, b2, a2) ? NAN : by_b2;
    *fine = q & p & common & c;
}

#define PLACES 8
static const double PLACE[PLACES] = {
    0.019855071751231912, 0.10166676129318664, 0.2372337950418355, 0.4082826787521751,
    0.5917173212478248, 0.7627662049581645, 0.8983332387068134, 0.9801449282487681,
};
static const double SHARE[PLACES] = {
    0.05061426814518853, 0.11119051722668721, 0.15685332293894344, 0.18134189168918083,
    0.18134189168918083, 0.15685332293894344, 0.11119051722668721, 0.05061426814518853,
};

INLINE double sum_of_places(const double *x) {
    return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
}

/* B(t1 -> t2) - B(a1 -> a2) where one of these holds; db = b2 - b1 may be known better than the sums b are */
INLINE double widening(double a1, double b1, double a2, double b2, double db) {
    int fine;
    double da = a2 - a1, least = b1 < b2 ? b1 : b2, terms[PLACES];
    if (2.5 * b2 >= a2) {
        double t1 = a1 + b1, t2 = a2 + b2;
        double gains = bregman(t2, a2, -b2, &fine) + b2 * slope_difference(t2, a1, a1 - t2, &fine) + bregman(a1, t1, b1, &fine);
        return -(gains + (da + db) * slope_difference(a1, t1, b1, &fine));
    }
    INDEPENDENT
    for (int i = 0; i < PLACES; i++) {
        double x = a1 + PLACE[i] * b1, y = a2 + PLACE[i] * b2, d = da + PLACE[i] * db, change = slope_difference(x, y, d, &fine);
        double rise = db > 0.0 ? change : d * curvature(x, &fine);
        terms[i] = SHARE[i] * (db * rise + least * slope_remainder(x, y, d));
    }
    return sum_of_places(terms);
}

/* its derivative by a2 where both are narrow */
INLINE double widening_slope(double a1, double b1, double a2, double b2, double db) {
    int fine;
    double da = a2 - a1, least = b1 < b2 ? b1 : b2, terms[PLACES];
    INDEPENDENT
    for (int i = 0; i < PLACES; i++) {
        double x = a1 + PLACE[i] * b1, y = a2 + PLACE[i] * b2, d = da + PLACE[i] * db;
        terms[i] = SHARE[i] * (db * curvature(db > 0.0 ? y : x, &fine) + least * curvature_rise(x, y, d));
    }
    return sum_of_places(terms);
}

/* KL[Beta(a1, b1) || Beta(a2, b2)] where beta_most leaves it */
INLINE double beta_rest(double a1, double b1, double a2, double b2, int *fine) {
    int part, first = a1 > b1;
    double x1 = first ? a1 : b1, y1 = first ? b1 : a1, x2 = first ? a2 : b2, y2 = first ? b2 : a2;
    double t1 = a1 + b1, t2 = a2 + b2, w = product_difference(x1, y2, y1, x2);
    double shares = x2 * remainder_of(w / (t1 * x2), x1 * t2 / (t1 * x2)) +
                    y2 * remainder_of(-w / (t1 * y2), y1 * t2 / (t1 * y2));
    *fine = POSITIVE(a1) & POSITIVE(b1) & POSITIVE(a2) & POSITIVE(b2) &
            (both_narrow(x1, y1, x2, y2) | spread_out(x1, y1, x2, y2));
    return shares + bregman(y1, y2, y2 - y1, &part) - widening(x1, y1, x2, y2, y2 - y1);
}

/* the derivative by a2 where both are narrow */
INLINE double beta_rest_slope(double a1, double b1, double a2, double b2) {
    double t1 = a1 + b1, w = product_difference(a1, b2, b1, a2);
    return -widening_slope(a1, b1, a2, b2, b2 - b1) - log_of(w / (t1 * a2), a1 * (a2 + b2) / (t1 * a2));
}
