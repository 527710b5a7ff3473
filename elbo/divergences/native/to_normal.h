/* Laplace, Gumbel and exponential laws against normal ones, as in to_normal.py: half the remainder of r^2 - 1, half of g^2 and what
   the entropy is short of that of the normal law; r = the ratio of the deviations, g = the distance of the means over s */
INLINE double moments_to_normal(double loc, double b, double m, double s, double mean, double mean_low, double deviation,
                                double deviation_low, double *ratio, double *gap) {
    double low, moved_low, total_low, root_low, root = times(deviation, b, &root_low), difference = plus(loc, -m, &low);
    double rise = ((root - s) + fma(deviation_low, b, root_low)) / s, moved = times(mean, b, &moved_low);
    double total = plus(difference, moved, &total_low);
    *ratio = root / s;
    *gap = (total + (total_low + low + fma(mean_low, b, moved_low))) / s;
    return rise * (rise + 2.0);
}

#define TO_NORMAL_FINE(loc, b, m, s) ((fabs(loc) <= 1e70) & POSITIVE(b) & (fabs(m) <= 1e70) & POSITIVE(s))

#define TO_NORMAL(name, mean, mean_low, deviation, deviation_low, excess)                                    \
    INLINE double name(double loc, double b, double m, double s, int *fine) {                                \
        double ratio, gap, d = moments_to_normal(loc, b, m, s, mean, mean_low, deviation, deviation_low, &ratio, &gap); \
        *fine = TO_NORMAL_FINE(loc, b, m, s);                                                                \
        return 0.5 * (remainder_of(d, ratio * ratio) + gap * gap) + excess;                                  \
    }                                                                                                        \
    INLINE void name##_slopes(double loc, double b, double m, double s, double *by, int *fine) {             \
        double ratio, gap, d = moments_to_normal(loc, b, m, s, mean, mean_low, deviation, deviation_low, &ratio, &gap); \
        *fine = TO_NORMAL_FINE(loc, b, m, s);                                                                \
        by[0] = gap / s;                                                                                     \
        by[1] = d / b + by[0] * mean;                                                                        \
        by[2] = -by[0];                                                                                      \
        by[3] = -(d + gap * gap) / s;                                                                        \
    }

TO_NORMAL(laplace_normal, 0.0, 0.0, 1.4142135623730951, -9.667293313452913e-17, 0.07236494292470008)
TO_NORMAL(gumbel_normal, 0.5772156649015329, -4.942915152430645e-18, 1.282549830161864, 1.6029947261005143e-17, 0.09057301953851256)

INLINE double exponential_to_normal(double r, double m, double s, double *d, double *ratio, double *gap) {
    double low, b = over(1.0, 0.0, r, &low), rise = ((b - s) + low) / s;
    *d = rise * (rise + 2.0);
    *ratio = b / s;
    *gap = ((b - m) + low) / s;
    return b;
}

INLINE double exponential_normal(double r, double m, double s, int *fine) {
    double d, ratio, gap, b = exponential_to_normal(r, m, s, &d, &ratio, &gap);
    *fine = TO_NORMAL_FINE(0.0, b, m, s);
    return 0.5 * (remainder_of(d, ratio * ratio) + gap * gap) + 0.4189385332046727;
}

INLINE void exponential_normal_slopes(double r, double m, double s, double *by, int *fine) {
    double d, ratio, gap, b = exponential_to_normal(r, m, s, &d, &ratio, &gap);
    *fine = TO_NORMAL_FINE(0.0, b, m, s);
    by[1] = -gap / s;
    by[0] = -(d - by[1] * b) * b;
    by[2] = -(d + gap * gap) / s;
}
