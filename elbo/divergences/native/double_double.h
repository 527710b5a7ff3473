/* Sums, quotients and logarithms as pairs of numbers, the second what the first has lost; as in _double_double.py. */

INLINE double plus(double x, double y, double *low) {
    double sum = x + y;
    *low = lost_by_plus(x, y, sum);
    return sum;
}

INLINE double times(double x, double y, double *low) {
    double product = x * y;
    *low = lost_by_times(x, y, product);
    return product;
}

/* x + *low, the first of which may have cancelled to something small */
INLINE double rounded(double x, double *low) {
    double sum = x + *low;
    *low -= sum - x;
    return sum;
}

/* (x + more) / y */
INLINE double over(double x, double more, double y, double *low) {
    double ratio = x / y;
    *low = (fma(-ratio, y, x) + more) / y;
    return ratio;
}

/* 64/j for j = 45, ..., 91, and minus its logarithm in two parts, the first a multiple of 2^-42, as is that of log 2 */
static const double INVERSE[] = {
    1.4222222222222223, 1.391304347826087, 1.3617021276595744, 1.3333333333333333, 1.3061224489795917, 1.28,
    1.2549019607843137, 1.2307692307692308, 1.2075471698113207, 1.1851851851851851, 1.1636363636363636,
    1.1428571428571428, 1.1228070175438596, 1.103448275862069, 1.0847457627118644, 1.0666666666666667,
    1.0491803278688525, 1.032258064516129, 1.0158730158730158, 1.0, 0.9846153846153847, 0.9696969696969697,
    0.9552238805970149, 0.9411764705882353, 0.927536231884058, 0.9142857142857143, 0.9014084507042254,
    0.8888888888888888, 0.8767123287671232, 0.8648648648648649, 0.8533333333333334, 0.8421052631578947,
    0.8311688311688312, 0.8205128205128205, 0.810126582278481, 0.8, 0.7901234567901234, 0.7804878048780488,
    0.7710843373493976, 0.7619047619047619, 0.7529411764705882, 0.7441860465116279, 0.735632183908046,
    0.7272727272727273, 0.7191011235955056, 0.7111111111111111, 0.7032967032967034,
};
static const double LOG_HEAD[] = {
    -0.35222059358943625, -0.33024168687052224, -0.30873548164959175, -0.28768207245184385, -0.2670627852489815,
    -0.2468600779316148, -0.22705745063535687, -0.20763936477828793, -0.18859116980752333, -0.16989903679541385,
    -0.151549898127314, -0.13353139262449076, -0.11583181552509814, -0.09844007281321865, -0.08134563945395712,
    -0.0645385211375924, -0.04800921918626955, -0.03174869831468641, -0.01574835696806076, 0.0,
    0.015504186535963527, 0.03077165866670839, 0.0458095360313564, 0.06062462181648698, 0.07522342123752424,
    0.08961215868976069, 0.10379679368156758, 0.11778303565643, 0.13157635778861732, 0.14518200984457508,
    0.15860503017665906, 0.17185025692674571, 0.18492233849406148, 0.19782574332998593, 0.21056476910735,
    0.22314355131425145, 0.23556607131286, 0.2478361639045943, 0.25995752443691345, 0.2719337154835557,
    0.28376817313073843, 0.2954642128938758, 0.30702503529482783, 0.31845373111855224, 0.32975328637257917,
    0.34092658697068146, 0.35197642315711164,
};
static const double LOG_TAIL[] = {
    8.411101801842046e-14, -5.4584388914304586e-14, -2.1497841362979213e-14, 6.297908504131321e-14,
    -6.363967541826173e-14, 8.897769688389272e-14, 1.0801245286524724e-14, 4.3369911444011306e-14,
    -2.6655267661544328e-14, 1.643178756532876e-14, 1.1311962035603108e-13, -3.1804225197847076e-14,
    -2.3513311030807498e-14, -3.38573632414336e-14, 4.7168402252529375e-15, 2.1239485832617812e-14,
    -9.11125854955886e-14, 1.061342829278565e-13, -7.835152267383152e-14, 0.0, 1.6719455987393528e-15,
    4.527038700229366e-14, -6.217926003652218e-14, -5.2122328603557226e-14, 6.32785165229136e-14,
    -7.35264771717827e-14, 7.596381456675372e-14, -4.649178632475319e-14, 1.0201286338831599e-13,
    -7.723552451951224e-14, -2.0536542569073097e-14, -8.643688492088945e-14, -4.9551087153338115e-14,
    -6.60107543013043e-14, -3.494593770341145e-16, -4.175347699650321e-14, -9.303908380073764e-14,
    -1.30644916428282e-14, 1.2569687694606012e-14, 8.609857887931859e-14, -9.382029444882919e-14,
    -3.9920286056070625e-14, 8.404544083573206e-14, -1.765318688778829e-14, -1.111589583199776e-13,
    -8.828342723772789e-14, 6.646685387682899e-14,
};
#define LOG_2_HEAD 0.6931471805598903
#define LOG_2_TAIL 5.497923018708371e-14

/* log(x + more), more an ulp of x or less: x = 2^k m, r = m 64/j - 1 for the nearest j, and
   log x = (k log 2 + log(j/64)) + r - r^2/2 + ..., the terms in sight with what they lose */
INLINE double log_pair(double x, double more, double *low) {
    const uint64_t one = 0x3ff0000000000000u, root_half = 0x3fe6a09e667f3bcdu;
    const double shift = 6755399441055744.0;
    uint64_t bits, exponent, mantissa, power, place;
    double k, m, scale, shifted;
    memcpy(&bits, &x, 8);
    bits += one - root_half;
    exponent = (bits >> 52) | 0x4330000000000000u; /* as in natural_log */
    mantissa = (bits & 0x000fffffffffffffu) + root_half;
    power = 2 * one - (bits & 0xfff0000000000000u);
    memcpy(&k, &exponent, 8);
    memcpy(&m, &mantissa, 8);
    memcpy(&scale, &power, 8); /* 2^-k */
    k -= 4503599627370496.0 + 1023.0;
    shifted = fma(m, 64.0, shift);
    memcpy(&place, &shifted, 8);
    place = (place & 127) - 45;
    double inverse = INVERSE[place], head = fma(k, LOG_2_HEAD, LOG_HEAD[place]), tail = fma(k, LOG_2_TAIL, LOG_TAIL[place]);
    double product = m * inverse, r = product - 1.0, lost = lost_by_times(m, inverse, product) + more * scale * inverse;
    double first = head + r, square = r * r, second = fma(-0.5, square, first);
    double p = 0.09090909090909091;
    p = fma(p, r, -0.1);
    p = fma(p, r, 0.1111111111111111);
    p = fma(p, r, -0.125);
    p = fma(p, r, 0.14285714285714285);
    p = fma(p, r, -0.16666666666666666);
    p = fma(p, r, 0.2);
    p = fma(p, r, -0.25);
    p = fma(p, r, 0.3333333333333333);
    double rest = fma(r * square, p, fma(lost, 1.0 - r * (1.0 - r * (1.0 - r)), tail));
    rest = fma(-0.5, lost_by_times(r, r, square), rest) + ((head - first) + r) + fma(-0.5, square, first - second);
    double value = second + rest;
    *low = rest - (value - second);
    return value;
}

/* e^(y + low) - 1 and e^(y + low) - 1 - y for y <= HIGHEST; what is below -HIGHEST is as good as -infinity */
#define HIGHEST 600.0
INLINE double growth_of(double y, double low) {
    double growth = exp_minus_one(y > -HIGHEST ? (y < HIGHEST ? y : HIGHEST) : -HIGHEST);
    return fma(low, growth + 1.0, growth);
}

INLINE double phi(double y, double low) {
    double growth = exp_minus_one(y > -HIGHEST ? (y < HIGHEST ? y : HIGHEST) : -HIGHEST);
    return fabs(y) <= 1.0 ? phi_series(fabs(y) <= 1.0 ? y : 0.0) : fma(low, growth, growth - y);
}
