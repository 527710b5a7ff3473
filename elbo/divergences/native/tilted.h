/* Continuous Bernoulli laws against normal and exponential ones, as in tilted_to_normal.py and tilted_to_exponential.py;
   of the law seen from the end where it is largest, epsilon = 1/(e^a - 1) and T = a^2 epsilon (1 + epsilon), a = |eta|. */

struct pair {
    double value, low;
};

/* epsilon and T with what they have lost, for 1 <= a <= 600: e^-a = 2^-k (1 + w) */
INLINE struct pair tail_pairs(double a, struct pair *t) {
    const double shift = 6755399441055744.0;
    double shifted = fma(-a, 1.4426950408889634, shift), k = shifted - shift, power;
    uint64_t bits;
    memcpy(&bits, &shifted, 8);
    bits = (bits + 1023) << 52;
    memcpy(&power, &bits, 8);
    double r = fma(-k, LOG_2_HEAD, -a), growth = r + phi_series(r), w = fma(1.0 + growth, -k * LOG_2_TAIL, growth);
    double decay_low, fall_low, root_low, square_low, decay = plus(power, power * w, &decay_low);
    double fall = plus(1.0, -decay, &fall_low);
    fall_low -= decay_low;
    double root = over(a, -(a / fall) * fall_low, fall, &root_low), square = times(root, root, &square_low);
    t->value = times(square, decay, &t->low);
    t->low += fma(fma(2.0 * root, root_low, square_low), decay, square * decay_low);
    struct pair epsilon;
    epsilon.value = over(decay, fma(-(decay / fall), fall_low, decay_low), fall, &epsilon.low);
    return epsilon;
}

/* logit(p) and what it has lost */
INLINE struct pair log_odds_pair(double p) {
    double other_low, low, other = plus(1.0, -p, &other_low), ratio = over(p, 0.0, other, &low);
    struct pair odds;
    odds.value = log_pair(ratio, fma(-ratio, other_low / other, low), &odds.low);
    return odds;
}

#define TWELFTH 0.08333333333333333
#define TWELFTH_LOW 4.625929269271485e-18
#define NEAR_SHAPE 16.0
#define PROBABILITY(p) AMONG(p, 1e-140, 1.0 - 0x1p-53)

/* (A'' - 1/12)/z, to the digits of A'' */
INLINE double variance_rest(double z) {
    double p = -3.3225747126108967e-25;
    p = fma(p, z, 3.460986671441079e-23);
    p = fma(p, z, -1.947601827577498e-21);
    p = fma(p, z, 8.332545387661501e-20);
    p = fma(p, z, -3.1703984746114255e-18);
    p = fma(p, z, 1.1546752508417474e-16);
    p = fma(p, z, -4.1313349086480635e-15);
    p = fma(p, z, 1.459603153515563e-13);
    p = fma(p, z, -5.084514619191185e-12);
    p = fma(p, z, 1.7397296636956627e-10);
    p = fma(p, z, -5.812609144378313e-09);
    p = fma(p, z, 1.8789081288607818e-07);
    p = fma(p, z, -5.7870370370355985e-06);
    p = fma(p, z, 0.00016534391534391517);
    p = fma(p, z, -0.004166666666666667);
    return p;
}

/* A'''/eta */
INLINE double third_series(double z) {
    double p = -1.2931622238345224e-20;
    p = fma(p, z, 1.1844350446091e-18);
    p = fma(p, z, -5.860273430833558e-17);
    p = fma(p, z, 2.2068164829667533e-15);
    p = fma(p, z, -7.370942991543566e-14);
    p = fma(p, z, 2.3324317919689998e-12);
    p = fma(p, z, -7.11740131220406e-11);
    p = fma(p, z, 2.0876558172840143e-09);
    p = fma(p, z, -5.8126063232134406e-08);
    p = fma(p, z, 1.5031264779757532e-06);
    p = fma(p, z, -3.4722222209623705e-05);
    p = fma(p, z, 0.0006613756613727256);
    p = fma(p, z, -0.00833333333333313);
    return p;
}

/* E(eta) for z <= NEAR_SHAPE */
INLINE double normal_shape(double z) {
    double p = 5.560667115677186e-29;
    p = fma(p, z, -1.0190403408977612e-26);
    p = fma(p, z, 9.284682316263962e-25);
    p = fma(p, z, -5.761414105836159e-23);
    p = fma(p, z, 2.835506100890588e-21);
    p = fma(p, z, -1.223595548201136e-19);
    p = fma(p, z, 4.952124402045438e-18);
    p = fma(p, z, -1.9529848869107252e-16);
    p = fma(p, z, 7.629222180774937e-15);
    p = fma(p, z, -2.96585146492103e-13);
    p = fma(p, z, 1.1472965234489502e-11);
    p = fma(p, z, -4.4061549006557427e-10);
    p = fma(p, z, 1.6707351849574183e-08);
    p = fma(p, z, -6.17427105319908e-07);
    p = fma(p, z, 2.1604938271462212e-05);
    p = fma(p, z, -0.0006746031746031214);
    p = fma(p, z, 0.01666666666666666);
    p = fma(p, z, 0.17648520831067258);
    return p;
}

/* E'(eta)/eta for z <= NEAR_SHAPE */
INLINE double normal_shape_slope(double z) {
    double p = 1.9044478949928977e-27;
    p = fma(p, z, -3.2855372223771803e-25);
    p = fma(p, z, 2.804013017481117e-23);
    p = fma(p, z, -1.6213085301744369e-21);
    p = fma(p, z, 7.395362737898295e-20);
    p = fma(p, z, -2.9411697823677063e-18);
    p = fma(p, z, 1.0901090399743849e-16);
    p = fma(p, z, -3.9066315242183555e-15);
    p = fma(p, z, 1.373310065684798e-13);
    p = fma(p, z, -4.74539002300463e-12);
    p = fma(p, z, 1.6062162349147884e-10);
    p = fma(p, z, -5.287386188913883e-09);
    p = fma(p, z, 1.6707351907645995e-07);
    p = fma(p, z, -4.939416843251016e-06);
    p = fma(p, z, 0.00012962962962924168);
    p = fma(p, z, -0.002698412698412634);
    p = fma(p, z, 0.03333333333333333);
    return p;
}

/* (eta A' - A)/z */
INLINE double to_uniform_series(double z) {
    double p = 4.516807177286719e-25;
    p = fma(p, z, -4.820107360756544e-23);
    p = fma(p, z, 2.818654470187285e-21);
    p = fma(p, z, -1.2748196595474323e-19);
    p = fma(p, z, 5.210078303241833e-18);
    p = fma(p, z, -2.0633830897827194e-16);
    p = fma(p, z, 8.107929402168733e-15);
    p = fma(p, z, -3.1777916857135434e-13);
    p = fma(p, z, 1.2426633981042439e-11);
    p = fma(p, z, -4.843840857991263e-10);
    p = fma(p, z, 1.8789081279428552e-08);
    p = fma(p, z, -7.233796296241938e-07);
    p = fma(p, z, 2.7557319223984317e-05);
    p = fma(p, z, -0.0010416666666666664);
    p = fma(p, z, 0.041666666666666664);
    return p;
}

/* epsilon and T as they stand */
INLINE double tail_of(double a, double *t) {
    double epsilon = 1.0 / exp_minus_one(a);
    *t = a * a * epsilon * (1.0 + epsilon);
    return epsilon;
}

/* A'' and A''' */
INLINE double tilted_cumulants(double eta, double *third) {
    double z = eta * eta, a = fabs(eta), t, epsilon = tail_of(a < 1.0 ? 1.0 : a, &t), inverse = 1.0 / a;
    double far = epsilon * (1.0 + epsilon) * (1.0 + 2.0 * epsilon) - 2.0 * inverse * inverse * inverse;
    *third = z <= NEAR_ZERO ? eta * third_series(z) : (eta < 0.0 ? -far : far);
    return z <= NEAR_ZERO ? variance_series(z) : (1.0 - t) * inverse * inverse;
}

/* g = (mean - m)/s and d = A''/s^2 - 1 */
INLINE double normal_gap(double eta, double low, double m, double s, double variance) {
    double z = eta * eta, a = fabs(eta), linear_low, half_low, total_low, other_low, inverse_low, far_low;
    double linear = times(TWELFTH, eta, &linear_low), half = plus(0.5, -m, &half_low);
    double total = plus(half, linear, &total_low);
    double lost = (half_low + total_low) + fma(TWELFTH_LOW, eta, linear_low) + low * variance;
    double near = (total + eta * (z * mean_rest(z))) + lost;

    double sign = eta > 0.0 ? -1.0 : 1.0, other = plus(1.0, -m, &other_low);
    double place = eta > 0.0 ? other : m, place_low = eta > 0.0 ? other_low : 0.0;
    struct pair t, epsilon = tail_pairs(a < 1.0 ? 1.0 : a, &t);
    double inverse = over(1.0, 0.0, a, &inverse_low), distance = plus(inverse, -place, &far_low);
    double rest = (far_low - place_low) + (inverse_low - epsilon.low) + sign * low * variance;
    double far = (distance - epsilon.value) + rest;
    return (z <= NEAR_ZERO ? near : sign * far) / s;
}

INLINE double normal_spread(double eta, double low, double s, double third) {
    double z = eta * eta, a = fabs(eta), sum_low, quotient_low, product_low, square_low;
    double sum = plus(TWELFTH, z * variance_rest(z), &sum_low);
    double quotient = over(sum, sum_low + TWELFTH_LOW + low * third, s, &quotient_low);
    double near = ((quotient - s) + quotient_low) / s;

    struct pair t, epsilon = tail_pairs(a < 1.0 ? 1.0 : a, &t);
    double more = eta < 0.0 ? -low : low, product = times(a, s, &product_low);
    double square = times(product, product, &square_low);
    double t_low = fma(t.value * more, 2.0 / a - (1.0 + 2.0 * epsilon.value), t.low);
    square_low += 2.0 * product * fma(more, s, product_low);
    double far = (((1.0 - square) - t.value) - (square_low + t_low)) / square;
    return z <= NEAR_ZERO ? near : far;
}

INLINE double tilted_normal_of(double eta, double low, double m, double s) {
    double z = eta * eta, a = fabs(eta), third, variance = tilted_cumulants(eta, &third), t;
    double gap = normal_gap(eta, low, m, s, variance), d = normal_spread(eta, low, s, third);
    double epsilon = tail_of(a < 1.0 ? 1.0 : a, &t);
    double cut = a * epsilon - log_one_plus(-exponential(a < 1.0 ? -1.0 : -a));
    double far = 0.4189385332046727 + (0.5 * log_one_plus(-t) + cut);
    return 0.5 * (remainder_of(d, variance / s / s) + gap * gap) + (z <= NEAR_SHAPE ? normal_shape(z) : far);
}

INLINE void tilted_normal_slopes_of(double eta, double low, double m, double s, double *by) {
    double z = eta * eta, a = fabs(eta), third, variance = tilted_cumulants(eta, &third), t;
    double gap = normal_gap(eta, low, m, s, variance), d = normal_spread(eta, low, s, third);
    double epsilon = tail_of(a < 1.0 ? 1.0 : a, &t), inverse = 1.0 / a, sign = eta < 0.0 ? -1.0 : 1.0;
    double slope = t * ((0.5 + epsilon) - (2.0 - t) * inverse) / (1.0 - t);
    double lean = ((0.5 + epsilon) * t - inverse) / (1.0 - t);
    slope = z <= NEAR_SHAPE ? eta * normal_shape_slope(z) : sign * slope;
    lean = z <= NEAR_ZERO ? 0.5 * third / variance : sign * lean;
    double near = slope + lean * d + gap * (variance / s);
    by[0] = fabs(d) < 0.5 ? near : variance * (eta + gap / s) + lean * (1.0 + d);
    by[1] = -gap / s;
    by[2] = -(d + gap * gap) / s;
}

#define TILTED_NORMAL_FINE(m, s) ((fabs(m) <= 1e70) & POSITIVE(s))

INLINE double tilted_normal(double eta, double m, double s, int *fine) {
    *fine = MODEST(eta) & TILTED_NORMAL_FINE(m, s);
    return tilted_normal_of(MODEST(eta) ? eta : 0.0, 0.0, m, s);
}

INLINE void tilted_normal_slopes(double eta, double m, double s, double *by, int *fine) {
    *fine = MODEST(eta) & TILTED_NORMAL_FINE(m, s);
    tilted_normal_slopes_of(MODEST(eta) ? eta : 0.0, 0.0, m, s, by);
}

INLINE double tilted_normal_by_probs(double p, double m, double s, int *fine) {
    struct pair odds = log_odds_pair(PROBABILITY(p) ? p : 0.5);
    *fine = PROBABILITY(p) & TILTED_NORMAL_FINE(m, s);
    return tilted_normal_of(odds.value, odds.low, m, s);
}

INLINE void tilted_normal_by_probs_slopes(double p, double m, double s, double *by, int *fine) {
    struct pair odds = log_odds_pair(PROBABILITY(p) ? p : 0.5);
    *fine = PROBABILITY(p) & TILTED_NORMAL_FINE(m, s);
    tilted_normal_slopes_of(odds.value, odds.low, m, s, by);
    by[0] /= p * (1.0 - p);
}

/* x = r A' - 1 */
#define FALLING -1.5
INLINE double exponential_excess(double eta, double low, double r, double variance) {
    double z = eta * eta, a = fabs(eta), difference_low, share_low, product_low;
    double near = fma(0.5, r, -1.0) + r * fma(low, variance, eta * mean_series(z));
    struct pair t, epsilon = tail_pairs(a < 1.0 ? 1.0 : a, &t);
    double more = fma(low * epsilon.value, 1.0 + epsilon.value, epsilon.low);
    double difference = plus(r, -a, &difference_low), share = over(difference, difference_low + low, a, &share_low);
    double product = times(r, epsilon.value, &product_low);
    double falling = (share - product) + (share_low - product_low - r * more);
    double rising = (r - 1.0) - r * fma(-low, variance, 1.0 / a - epsilon.value);
    return (eta >= FALLING) & (z <= NEAR_ZERO) ? near : (eta < 0.0 ? falling : rising);
}

INLINE double tilted_exponential_of(double eta, double low, double r) {
    double z = eta * eta, a = fabs(eta), t, epsilon = tail_of(a < 1.0 ? 1.0 : a, &t), part = a * epsilon, third;
    double x = exponential_excess(eta, low, r, tilted_cumulants(eta, &third));
    double rise = eta * mean_series(z), mean = z <= NEAR_ZERO ? 0.5 + rise : 1.0 - (1.0 / a - epsilon);
    double ratio = eta < FALLING ? r / a * (1.0 - part) : r * mean;

    double near = 0.3068528194400547 + (log_one_plus(2.0 * rise) + z * to_uniform_series(z));
    double rest = eta < 0.0 ? 1.0 - part : (a - 1.0) + part;
    double falling = fma(low, (1.0 - t) * epsilon / rest, -remainder_of(-part, rest));
    double far = (eta < 0.0 ? falling : natural_log(rest) + part) - log_one_plus(-exponential(a < 1.0 ? -1.0 : -a));
    return remainder_of(x, ratio) + ((eta >= FALLING) & (z <= NEAR_ZERO) ? near : far);
}

INLINE void tilted_exponential_slopes_of(double eta, double low, double r, double *by) {
    double third, variance = tilted_cumulants(eta, &third);
    by[0] = ((r + eta) + low) * variance;
    by[1] = exponential_excess(eta, low, r, variance) / r;
}

INLINE double tilted_exponential(double eta, double r, int *fine) {
    *fine = MODEST(eta) & POSITIVE(r);
    return tilted_exponential_of(MODEST(eta) ? eta : 0.0, 0.0, r);
}

INLINE void tilted_exponential_slopes(double eta, double r, double *by, int *fine) {
    *fine = MODEST(eta) & POSITIVE(r);
    tilted_exponential_slopes_of(MODEST(eta) ? eta : 0.0, 0.0, r, by);
}

INLINE double tilted_exponential_by_probs(double p, double r, int *fine) {
    struct pair odds = log_odds_pair(PROBABILITY(p) ? p : 0.5);
    *fine = PROBABILITY(p) & POSITIVE(r);
    return tilted_exponential_of(odds.value, odds.low, r);
}

INLINE void tilted_exponential_by_probs_slopes(double p, double r, double *by, int *fine) {
    struct pair odds = log_odds_pair(PROBABILITY(p) ? p : 0.5);
    *fine = PROBABILITY(p) & POSITIVE(r);
    tilted_exponential_slopes_of(odds.value, odds.low, r, by);
    by[0] /= p * (1.0 - p);
}
