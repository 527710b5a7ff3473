/* The formulas: one element in, one out, without a branch. `fine` says whether rounding is all that can go wrong. */

#define AMONG(x, low, high) (((x) >= (low)) & ((x) <= (high)))
#define MODEST(y) AMONG(y, -600.0, 600.0) /* exponents */

/* KL[N(m1, s1) || N(m2, s2)]

   Near equality, with a = s1 - s2, b = m1 - m2, S = s1 + s2, h = s2/S and s = a/S = 1 - 2 h, it is

       (a^2 G + b^2) / (2 s2^2),   G = 1 + 2 (d - log(1 + d)) / d^2 = 1 + 2 h (1 + h s P(s^2)),   d = a/s2,

   where rounding is felt in G and once at the end only: what a, b, the products, the sum and the quotient lose is put
   back. Elsewhere it is (r^2 - 1 + t^2) / 2 - log r, r = s1/s2, t = b/s2, with the same care. */
INLINE double normal_by_std(double m1, double u, double m2, double v, int *fine) {
    double a = u - v, b = m1 - m2, size = fabs(b);
    double a_low = lost_by_minus(u, v, a), b_low = lost_by_minus(m1, m2, b);
    *fine = ((u >= 1e-90) & (u <= 1e90) & (v >= 1e-90) & (v <= 1e90) & (size <= 1e90) & ((size == 0.0) | (size >= 1e-120)));
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

    return q <= WIDE ? near : far;
}

/* the same of float32 numbers, of which nine digits are wanted */
INLINE double normal_by_std_brief(double m1, double u, double m2, double v, int *fine) {
    double b = m1 - m2, inverse = 1.0 / v, r = u * inverse, d = (u - v) * inverse, t = b * inverse;
    double far = 0.5 * d * (r + 1.0) - natural_log(r), near = d * d * (1.0 + d * (0.25 * d - 1.0 / 3.0));
    *fine = AMONG(u, 1e-46, 1e39) & AMONG(v, 1e-46, 1e39) & (fabs(b) < 1e39);
    return 0.5 * t * t + (fabs(d) < 1e-3 ? near : far);
}

INLINE void normal_by_std_slopes(double m1, double u, double m2, double v, double *by, int *fine) {
    double t = (m1 - m2) / v, excess = (u - v) / v * ((u + v) / v);
    *fine = 1;
    by[0] = t / v;
    by[1] = excess / u;
    by[2] = -by[0];
    by[3] = -((excess + t * t) / v);
}

/* What quotients are good for: everything but zero, infinity and what is next to them. */
#define COMMON(x) AMONG(x, 1e-140, 1e140)

/* log(y/x) and y/x - 1 - log(y/x), from d = y - x, which may be known better than x and y: with s = d/(x + y)

       log(y/x) = 2 artanh s = s (2 - s^2 P(s^2)),    y/x - 1 - log(y/x) = s (d/x + s^2 P(s^2)) */
INLINE double log_quotient(double y, double x, double d) {
    double s = d / (y + x), q = s * s;
    return q <= WIDE ? s * (2.0 - q * artanh_tail(q)) : natural_log(y / x);
}

INLINE double entropy_term(double x, double y, double d) {
    double s = d / (x + y), q = s * s;
    return q <= WIDE ? s * (d + x * (q * artanh_tail(q))) : d + x * natural_log(x / y);
}

/* x log(x/y) - x + y */
INLINE double relative_entropy(double x, double y, int *fine) {
    *fine = COMMON(x) & COMMON(y);
    return entropy_term(x, y, y - x);
}

INLINE void relative_entropy_slopes(double x, double y, double *by, int *fine) {
    *fine = COMMON(x) & COMMON(y);
    by[0] = log_quotient(x, y, x - y);
    by[1] = (y - x) / y;
}

/* y/x - 1 - log(y/x) */
INLINE double itakura_saito(double y, double x, int *fine) {
    double d = (y - x) / x, ratio = y / x, s = (y - x) / (y + x), q = s * s;
    *fine = COMMON(x) & COMMON(y);
    return q <= WIDE ? s * (d + q * artanh_tail(q)) : d - natural_log(ratio);
}

INLINE void itakura_saito_slopes(double y, double x, double *by, int *fine) {
    *fine = COMMON(x) & COMMON(y);
    by[0] = (y - x) / x / y;
    by[1] = (x - y) / x / x;
}

/* q log(q/p) + (1 - q) log((1 - q)/(1 - p)) */
INLINE double bernoulli_by_probs(double q, double p, int *fine) {
    double d = p - q;
    *fine = AMONG(q, 1e-140, 1.0 - 0x1p-53) & AMONG(p, 1e-140, 1.0 - 0x1p-53);
    return entropy_term(q, p, d) + entropy_term(1.0 - q, 1.0 - p, -d);
}

INLINE void bernoulli_by_probs_slopes(double q, double p, double *by, int *fine) {
    *fine = AMONG(q, 1e-140, 1.0 - 0x1p-53) & AMONG(p, 1e-140, 1.0 - 0x1p-53);
    by[0] = log_quotient(q, p, q - p) + log_quotient(1.0 - p, 1.0 - q, q - p);
    by[1] = (p - q) / (p * (1.0 - p));
}

/* The same from logits, success and failure exchanged where a < b, so that q >= p and with gap = a - b

       up = log((1 - p)/(1 - q)) = -log1p(q expm1(-gap)),   down = log(q/p),   both >= 0,
       KL = (1 - q) phi(up) + q phi(-down),   phi(y) = e^y - 1 - y. */
INLINE double bernoulli_by_logits(double a, double b, int *fine) {
    *fine = MODEST(a) & MODEST(b);
    double sign = a >= b ? 1.0 : -1.0;
    a *= sign;
    b *= sign;
    double gap = a - b, decay_a = exponential(-fabs(a)), decay_b = exponential(-fabs(b));
    double large_a = 1.0 / (1.0 + decay_a), large_b = 1.0 / (1.0 + decay_b);
    double q = a > 0.0 ? large_a : decay_a * large_a, failure = a > 0.0 ? decay_a * large_a : large_a;
    double p = b > 0.0 ? large_b : decay_b * large_b, other = b > 0.0 ? decay_b * large_b : large_b;
    double fall = exp_minus_one(-gap);
    /* where the gap is large, log1p(e^-|a|) and the like are combined into one logarithm of the quotient */
    double tail = log_quotient(1.0 + decay_a, 1.0 + decay_b, decay_a - decay_b);
    double up = (a > 0.0 ? a : 0.0) - (b > 0.0 ? b : 0.0) + tail;
    double down = (b < 0.0 ? -b : 0.0) - (a < 0.0 ? -a : 0.0) - tail;
    up = gap < 1.0 ? -log_one_plus(q * fall) : up;
    down = gap < 1.0 ? log_one_plus(-failure * fall / (1.0 + fall)) : down;
    double gain = up <= 1.0 ? failure * phi_series(up) : other - failure * (1.0 + up);
    double loss = down <= 1.0 ? q * phi_series(-down) : p - q * (1.0 - down);
    return gain + loss;
}

/* the same of float32 numbers, of which nine digits are wanted: q log(q/p) + ... as log((1 + e^b)/(1 + e^a)) - q (b - a),
   success and failure exchanged so that q <= 1/2, and by its Taylor series where they nearly agree */
INLINE double bernoulli_by_logits_brief(double a, double b, int *fine) {
    double low = -fabs(a), other = a > 0.0 ? -b : b, gap = other - low;
    double decay = exponential(low), fall = exponential(-fabs(other)), failure = 1.0 / (1.0 + decay), q = decay * failure;
    double far = (other > 0.0 ? other : 0.0) + log_one_plus((fall - decay) * failure) - q * gap;
    double skew = failure - q, fourth = skew * skew - 2.0 * q * failure;
    double near = q * failure * gap * gap * (0.5 + gap * (skew * (1.0 / 6.0) + gap * fourth * (1.0 / 24.0)));
    *fine = MODEST(a) & MODEST(b);
    return fabs(gap) < 1e-3 ? near : far;
}

INLINE void bernoulli_by_logits_slopes(double a, double b, double *by, int *fine) {
    *fine = MODEST(a) & MODEST(b);
    double gap = a - b, decay_a = exponential(-fabs(a)), decay_b = exponential(-fabs(b));
    double large_a = 1.0 / (1.0 + decay_a), large_b = 1.0 / (1.0 + decay_b);
    double q = a > 0.0 ? large_a : decay_a * large_a, failure = a > 0.0 ? decay_a * large_a : large_a;
    double p = b > 0.0 ? large_b : decay_b * large_b, other = b > 0.0 ? decay_b * large_b : large_b;
    double size = -exp_minus_one(-fabs(gap));
    by[0] = q * failure * gap;
    by[1] = gap > 0.0 ? -size * q * other : size * p * failure;
}

/* the KL of one trial over 1 - q, and over q: 1/(1 - q) = 1 + e^a */
INLINE double over_failure(double a) {
    double decay = exponential(-fabs(a));
    return (1.0 + decay) / (a > 0.0 ? decay : 1.0);
}

INLINE double negative_by_logits(double a, double b, int *fine) { return bernoulli_by_logits(a, b, fine) * over_failure(a); }

INLINE double negative_by_logits_brief(double a, double b, int *fine) {
    return bernoulli_by_logits_brief(a, b, fine) * over_failure(a);
}

/* e^a log(q/p) and (p - q)/(1 - q) */
INLINE void negative_by_logits_slopes(double a, double b, double *by, int *fine) {
    double gap = a - b, decay_a = exponential(-fabs(a)), decay_b = exponential(-fabs(b)), sum = 1.0 + decay_a;
    double failure = (a > 0.0 ? decay_a : 1.0) / sum, q = (a > 0.0 ? 1.0 : decay_a) / sum;
    double rise = exp_minus_one(fabs(gap) < 1.0 ? gap : 0.0);
    double tails = log_quotient(1.0 + decay_b, sum, decay_b - decay_a);
    double log = fabs(gap) < 1.0 ? log_one_plus(failure * rise) : (b < 0.0 ? -b : 0.0) - (a < 0.0 ? -a : 0.0) + tails;
    bernoulli_by_logits_slopes(a, b, by, fine);
    by[0] = q / failure * log;
    by[1] /= failure;
}

INLINE double geometric_by_logits(double a, double b, int *fine) { return negative_by_logits(-a, -b, fine); }

INLINE double geometric_by_logits_brief(double a, double b, int *fine) { return negative_by_logits_brief(-a, -b, fine); }

INLINE void geometric_by_logits_slopes(double a, double b, double *by, int *fine) {
    negative_by_logits_slopes(-a, -b, by, fine);
    by[0] = -by[0];
    by[1] = -by[1];
}

/* b1/b2 - 1 - log(b1/b2) + (b1/b2) phi(-|m1 - m2|/b1) */
INLINE double laplace(double m1, double u, double m2, double v, int *fine) {
    int quotient_fine;
    double spread = itakura_saito(u, v, &quotient_fine), t = fabs(m1 - m2) / u, y = t > 700.0 ? -700.0 : -t;
    double remainder = t <= 1.0 ? phi_series(y) : exp_minus_one(y) + t;
    *fine = quotient_fine & (t <= 1e140);
    return spread + u / v * remainder;
}

INLINE void laplace_slopes(double m1, double u, double m2, double v, double *by, int *fine) {
    double difference = m1 - m2, sign = difference < 0.0 ? -1.0 : 1.0, t = fabs(difference) / u;
    double y = t > 700.0 ? -700.0 : -t, fall = exp_minus_one(y), decay = 1.0 + fall;
    double small = t < 1.0 ? t : 1.0;
    double remainder = t <= 1.0 ? phi_series(-small) : fall + t;
    /* 1 - (1 + t) e^-t = e^-t phi(t) */
    double rest = t < 1.0 ? decay * phi_series(small) : 1.0 - (1.0 + t) * decay;
    *fine = COMMON(u) & COMMON(v) & (t <= 1e140);
    by[0] = -sign * fall / v;
    by[1] = ((u - v) - u * rest) / (u * v);
    by[2] = -by[0];
    by[3] = -((u - v) + u * remainder) / (v * v);
}

/* KL of the number of the first success: that of one trial over q */
INLINE double geometric(double q, double p, int *fine) { return bernoulli_by_probs(q, p, fine) / q; }

INLINE void geometric_slopes(double q, double p, double *by, int *fine) {
    *fine = AMONG(q, 1e-100, 1.0 - 0x1p-53) & AMONG(p, 1e-100, 1.0 - 0x1p-53);
    by[0] = log_quotient(1.0 - p, 1.0 - q, q - p) / (q * q);
    by[1] = (p - q) / (p * (1.0 - p)) / q;
}

/* half-normal laws: the Gaussian KL with equal means */
INLINE double half_normal(double u, double v, int *fine) { return normal_by_std(0.0, u, 0.0, v, fine); }

INLINE double half_normal_brief(double u, double v, int *fine) { return normal_by_std_brief(0.0, u, 0.0, v, fine); }

INLINE void half_normal_slopes(double u, double v, double *by, int *fine) {
    double excess = (u - v) / v * ((u + v) / v);
    *fine = 1;
    by[0] = excess / u;
    by[1] = -excess / v;
}

/* log1p(((s1 - s2)^2 + (m1 - m2)^2) / (4 s1 s2)) */
INLINE double cauchy(double m1, double u, double m2, double v, int *fine) {
    double a = u - v, b = m1 - m2, z = 0.25 * (a / u * (a / v) + b / u * (b / v));
    *fine = COMMON(u) & COMMON(v) & (fabs(b) <= 1e140) & (z <= 1e280);
    return log_one_plus(z);
}

INLINE void cauchy_slopes(double m1, double u, double m2, double v, double *by, int *fine) {
    double total = u + v, b = m1 - m2, gap = b * b, square = total * total + gap, spread = (u - v) * total;
    *fine = COMMON(u) & COMMON(v) & (fabs(b) <= 1e140);
    by[0] = 2.0 * b / square;
    by[1] = (spread - gap) / square / u;
    by[2] = -by[0];
    by[3] = -(spread + gap) / square / v;
}

/* a2/a1 - 1 - log(a2/a1) + a2 log(x1/x2), infinite where x1 < x2 */
INLINE double pareto(double x1, double a1, double x2, double a2, int *fine) {
    int shapes;
    double value = itakura_saito(a2, a1, &shapes) + a2 * log_quotient(x1, x2, x1 - x2);
    *fine = shapes & COMMON(x1) & COMMON(x2);
    return x1 >= x2 ? value : INFINITY;
}

INLINE void pareto_slopes(double x1, double a1, double x2, double a2, double *by, int *fine) {
    double step = (a2 - a1) / a1;
    *fine = COMMON(x1) & COMMON(x2) & COMMON(a1) & COMMON(a2);
    by[0] = a2 / x1;
    by[1] = -step / a1;
    by[2] = -a2 / x2;
    by[3] = step / a2 + log_quotient(x1, x2, x1 - x2);
}

/* S(a) = log Gamma(a) - a log a + a, its Bregman divergence B(a -> b), S'(b) - S'(a) and S''(a), as in _stirling.py:
   below 4 the arguments are lifted by 4, and four terms make up for it. M(z) is Stirling's series. */
#define LIFT 4.0
#define M0 0.08333333333333333
#define M1 -0.0027777777777777775
#define M2 0.0007936507936502248
#define M3 -0.0005952380947858535
#define M4 0.0008417506993700584
#define M5 -0.0019175033711385976
#define M6 0.006407902825982354
#define M7 -0.02939616982266046
#define M8 0.17260721158177722
#define M9 -1.1601933226845338
#define M10 7.60507918944181
#define M11 -40.70821581755845
#define M12 146.43551489688866
#define M13 -254.2580343389785
/* a step of Horner's rule for each of M12, ..., M1, and M0 */
#define ABOVE_THE_FIRST(STEP) \
    STEP(12);                 \
    STEP(11);                 \
    STEP(10);                 \
    STEP(9);                  \
    STEP(8);                  \
    STEP(7);                  \
    STEP(6);                  \
    STEP(5);                  \
    STEP(4);                  \
    STEP(3);                  \
    STEP(2);                  \
    STEP(1);
#define BY_HORNER(STEP)   \
    ABOVE_THE_FIRST(STEP) \
    STEP(0);
#define POSITIVE(x) AMONG(x, 1e-70, 1e70)

/* x - log(1 + x) and log(1 + x), where 1 + x = ratio is known better than x when that is small */
INLINE double remainder_of(double x, double ratio) {
    double s = x / (x + 2.0), q = s * s;
    return q <= WIDE ? s * (x + q * artanh_tail(q)) : x - natural_log(ratio);
}

INLINE double log_of(double x, double ratio) {
    double sum = 1.0 + x, at = x < -0.5 ? ratio : sum;
    return natural_log(at) + (x < -0.5 ? 0.0 : (x - (sum - 1.0)) / sum);
}

/* S(a) - S(a + 1) = (a + 1) log(1 + 1/a) - 1 is convex; its Bregman divergence and the difference of its slopes, with
   w = -d/(b (a + 1)) and R(w) = w - log(1 + w), are d^2/(a b (a + 1)) - (b + 1) R(w) and d/(a b (a + 1)) - R(w) */
INLINE double lift_term(double a, double b, double d) {
    double share = d / (b * (a + 1.0)), w = -share, s = w / (w + 2.0), q = s * s;
    double near = d / a * share - (b + 1.0) * (s * (w + q * artanh_tail(q)));
    double far = d / a + (b + 1.0) * natural_log(a * (b + 1.0) / (b * (a + 1.0)));
    return q <= WIDE ? near : far;
}

INLINE double lift_slope(double a, double b, double d) {
    double share = d / (b * (a + 1.0));
    return share / a - remainder_of(-share, a * (b + 1.0) / (b * (a + 1.0)));
}

/* what is left of mu(b) - mu(a) - mu'(a) d and of mu'(b) - mu'(a) for a, b >= 4, mu Stirling's series */
INLINE double bregman_tail(double a, double b, double d) {
    double x = 1.0 / a, y = 1.0 / b, z = x * x, w = y * y;
    double value = M13, first = 0.0, second = 0.0; /* M(z), M'(z) and M[z, z, w] */
#define HORNER(k)                     \
    second = fma(second, w, first);   \
    first = fma(first, z, value);     \
    value = fma(value, z, M##k)
    BY_HORNER(HORNER)
#undef HORNER
    double total = x + y, step = d * x * y;
    double rest = first * (y + 2.0 * x) + y * second * total * total + (value + 2.0 * z * first) * b;
    return step * step * rest;
}

INLINE double slope_tail(double a, double b, double d) {
    double x = 1.0 / a, y = 1.0 / b, z = x * x, w = y * y;
    double value = 27.0 * M13, first = 0.0;
#define HORNER(k)                   \
    first = fma(first, w, value);   \
    value = fma(value, z, (2.0 * k + 1.0) * M##k)
    BY_HORNER(HORNER)
#undef HORNER
    first = fma(first, w, value);
    return d * x * y * (x + y) * first;
}

INLINE double bregman(double a, double b, double d, int *fine) {
    *fine = POSITIVE(a) & POSITIVE(b);
    int large = (a >= LIFT) & (b >= LIFT);
    double lift = large ? 0.0 : LIFT, up_a = a + lift, up_b = b + lift;
    double tail = 0.5 * remainder_of(d / up_a, up_b / up_a) + bregman_tail(up_a, up_b, d);
    double lifted = (lift_term(a, b, d) + lift_term(a + 1.0, b + 1.0, d)) +
                    (lift_term(a + 2.0, b + 2.0, d) + lift_term(a + 3.0, b + 3.0, d));
    return tail + (large ? 0.0 : lifted);
}

INLINE double curvature(double a, int *fine) {
    *fine = POSITIVE(a);
    double lift = a >= LIFT ? 0.0 : LIFT, x = 1.0 / (a + lift), z = x * x, series = 27.0 * 28.0 * M13;
#define HORNER(k) series = fma(series, z, (2.0 * k + 1.0) * (2.0 * k + 2.0) * M##k)
    BY_HORNER(HORNER)
#undef HORNER
    double k0 = a, k1 = a + 1.0, k2 = a + 2.0, k3 = a + 3.0, k4 = a + 4.0;
    double terms = (1.0 / (k0 * k0 * k1) + 1.0 / (k1 * k1 * k2)) + (1.0 / (k2 * k2 * k3) + 1.0 / (k3 * k3 * k4));
    return z * (0.5 + x * series) + (a >= LIFT ? 0.0 : terms);
}

INLINE double slope_difference(double a, double b, double d, int *fine) {
    *fine = POSITIVE(a) & POSITIVE(b);
    int large = (a >= LIFT) & (b >= LIFT);
    double lift = large ? 0.0 : LIFT, up_a = a + lift, up_b = b + lift;
    double tail = 0.5 * d / (up_a * up_b) + slope_tail(up_a, up_b, d);
    double lifted = (lift_slope(a, b, d) + lift_slope(a + 1.0, b + 1.0, d)) +
                    (lift_slope(a + 2.0, b + 2.0, d) + lift_slope(a + 3.0, b + 3.0, d));
    return tail + (large ? 0.0 : lifted);
}

INLINE void bregman_slopes(double a, double b, double d, double *by, int *fine) {
    int first, second;
    by[0] = -d * curvature(a, &first);
    by[1] = slope_difference(a, b, d, &second);
    by[2] = 0.0;
    *fine = first & second;
}

INLINE void slope_difference_slopes(double a, double b, double d, double *by, int *fine) {
    int first, second;
    (void)d;
    by[0] = -curvature(a, &first);
    by[1] = curvature(b, &second);
    by[2] = 0.0;
    *fine = first & second;
}

/* a b - c d with the digits that the products lose */
INLINE double product_difference(double a, double b, double c, double d) {
    double left = a * b, right = c * d;
    return (left - right) + (lost_by_times(a, b, left) - lost_by_times(c, d, right));
}

/* KL[Gamma(a1, b1) || Gamma(a2, b2)] = a2 (x - log(1 + x)) + B(a1 -> a2), x = a1 b2/(a2 b1) - 1 */
INLINE double gamma_laws(double a1, double b1, double a2, double b2, int *fine) {
    int shapes;
    double excess = product_difference(a1, b2, a2, b1) / b1;
    double value = a2 * remainder_of(excess / a2, a1 / a2 * (b2 / b1)) + bregman(a1, a2, a2 - a1, &shapes);
    *fine = shapes & POSITIVE(b1) & POSITIVE(b2);
    return value;
}

INLINE void gamma_laws_slopes(double a1, double b1, double a2, double b2, double *by, int *fine) {
    int q, p;
    double excess = product_difference(a1, b2, a2, b1) / b1;
    by[0] = excess / a1 - (a2 - a1) * curvature(a1, &q);
    by[1] = -excess / b1;
    by[2] = slope_difference(a1, a2, a2 - a1, &p) - log_of(excess / a2, a1 / a2 * (b2 / b1));
    by[3] = excess / b2;
    *fine = q & p & POSITIVE(b1) & POSITIVE(b2);
}
