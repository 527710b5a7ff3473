/* The formulas: one element in, one out, without a branch. `fine` says whether rounding is all that can go wrong. */

#define AMONG(x, low, high) (((x) >= (low)) & ((x) <= (high)))

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
    *fine = AMONG(a, -600.0, 600.0) & AMONG(b, -600.0, 600.0);
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

INLINE void bernoulli_by_logits_slopes(double a, double b, double *by, int *fine) {
    *fine = AMONG(a, -600.0, 600.0) & AMONG(b, -600.0, 600.0);
    double gap = a - b, decay_a = exponential(-fabs(a)), decay_b = exponential(-fabs(b));
    double large_a = 1.0 / (1.0 + decay_a), large_b = 1.0 / (1.0 + decay_b);
    double q = a > 0.0 ? large_a : decay_a * large_a, failure = a > 0.0 ? decay_a * large_a : large_a;
    double p = b > 0.0 ? large_b : decay_b * large_b, other = b > 0.0 ? decay_b * large_b : large_b;
    double size = -exp_minus_one(-fabs(gap));
    by[0] = q * failure * gap;
    by[1] = gap > 0.0 ? -size * q * other : size * p * failure;
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
