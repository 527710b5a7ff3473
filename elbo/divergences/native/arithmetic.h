/* What kernels are made of: exact rounding errors, and functions that vectorise.

   Everything here is branch-free, so that a loop over elements becomes one over vectors. The file is compiled with
   contraction off: a fused multiply-add happens where it is written, and nowhere else. */
#include <math.h>
#include <stdint.h>
#include <string.h>

/* before a loop whose iterations do not depend on each other: inputs and outputs never overlap */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

#define INLINE static inline __attribute__((always_inline))

/* what x - y has beyond its rounded value d (Knuth) */
INLINE double lost_by_minus(double x, double y, double d) {
    double v = d - x;
    return (x - (d - v)) - (y + v);
}

/* what x + y has beyond its rounded value s */
INLINE double lost_by_plus(double x, double y, double s) {
    double v = s - x;
    return (x - (s - v)) + (y - v);
}

/* what x y has beyond its rounded value p */
INLINE double lost_by_times(double x, double y, double p) { return fma(x, y, -p); }

/* log x for normal x > 0: x = 2^k m with m near one, and with f = m - 1, s = f / (2 + f), R = 2 (artanh s - s) / s,

       log m = 2 artanh s = s (2 + R) = f - f^2/2 + s (f^2/2 + R),

   of which the first term is exact and the others are small. R/s^2 is a Chebyshev fit at 50 digits; log 2 is split so
   that k times its head is exact. */
INLINE double natural_log(double x) {
    const uint64_t one = 0x3ff0000000000000u, root_half = 0x3fe6a09e667f3bcdu;
    uint64_t bits, exponent, mantissa;
    double k, m;
    memcpy(&bits, &x, 8);
    bits += one - root_half;
    exponent = (bits >> 52) | 0x4330000000000000u; /* the digits of 2^52 + 1023 + k */
    mantissa = (bits & 0x000fffffffffffffu) + root_half;
    memcpy(&k, &exponent, 8);
    memcpy(&m, &mantissa, 8);
    k -= 4503599627370496.0 + 1023.0;
    double f = m - 1.0, s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
    double p = 0.1308962916067462;
    p = fma(p, z, 0.13268485680654427);
    p = fma(p, z, 0.1538625044794019);
    p = fma(p, z, 0.18181795442371985);
    p = fma(p, z, 0.2222222239356661);
    p = fma(p, z, 0.2857142857079543);
    p = fma(p, z, 0.4000000000000089);
    p = fma(p, z, 0.6666666666666666);
    double rest = half - fma(s, fma(p, z, half), k * 1.90821492927058770002e-10);
    return k * 6.93147180369123816490e-01 - (rest - f);
}

/* -2 (artanh s - s) / s^3 as a polynomial in q = s^2 <= WIDE; a Chebyshev fit at 50 digits */
#define WIDE 0.2
INLINE double artanh_tail(double q) {
    double p = -0.26620275641155683;
    p = fma(p, q, 0.03227094705813851);
    p = fma(p, q, -0.1348628711703563);
    p = fma(p, q, -0.09723382026104795);
    p = fma(p, q, -0.11870054048672324);
    p = fma(p, q, -0.13324220072819);
    p = fma(p, q, -0.15385130387371362);
    p = fma(p, q, -0.1818179983194423);
    p = fma(p, q, -0.22222222606395214);
    p = fma(p, q, -0.2857142856728721);
    p = fma(p, q, -0.4000000000001743);
    return fma(p, q, -0.6666666666666665);
}

/* phi(y) = e^y - 1 - y for |y| <= 1; a Chebyshev fit at 50 digits */
INLINE double phi_series(double y) {
    double p = 7.753295105383928e-13;
    p = fma(p, y, 1.16392040024203e-11);
    p = fma(p, y, 1.605744835014058e-10);
    p = fma(p, y, 2.087443527953241e-09);
    p = fma(p, y, 2.5052120586633744e-08);
    p = fma(p, y, 2.7557335072267237e-07);
    p = fma(p, y, 2.7557319174038892e-06);
    p = fma(p, y, 2.4801587246079535e-05);
    p = fma(p, y, 0.00019841269841374776);
    p = fma(p, y, 0.0013888888888981446);
    p = fma(p, y, 0.008333333333333236);
    p = fma(p, y, 0.04166666666666609);
    p = fma(p, y, 0.16666666666666666);
    p = fma(p, y, 0.5);
    return y * y * p;
}

/* e^x - 1 = 2^k e^r - 1 for |x| <= 700, |r| <= (log 2)/2: the sum and difference with 3 2^51 round x / log 2, and its
   last digits are those of k */
INLINE double exp_minus_one(double x) {
    const double shift = 6755399441055744.0;
    double shifted = fma(x, 1.4426950408889634, shift), k = shifted - shift, scale;
    uint64_t bits;
    memcpy(&bits, &shifted, 8);
    bits = (bits + 1023) << 52;
    memcpy(&scale, &bits, 8);
    double r = fma(-k, 2.3190468138462996e-17, fma(-k, 0.6931471805599453, x));
    return fma(scale, r + phi_series(r), scale - 1.0);
}

/* e^x for |x| <= 700 */
INLINE double exponential(double x) {
    const double shift = 6755399441055744.0;
    double shifted = fma(x, 1.4426950408889634, shift), k = shifted - shift, scale;
    uint64_t bits;
    memcpy(&bits, &shifted, 8);
    bits = (bits + 1023) << 52;
    memcpy(&scale, &bits, 8);
    double r = fma(-k, 2.3190468138462996e-17, fma(-k, 0.6931471805599453, x));
    return fma(scale, r + phi_series(r), scale);
}

/* log(1 + x) for x > -1: the logarithm of the sum, and what the sum has lost */
INLINE double log_one_plus(double x) {
    double sum = 1.0 + x;
    return natural_log(sum) + (x - (sum - 1.0)) / sum;
}

#define ROOT_2PI 2.5066282746310002

/* a number, and what it has lost, relative to it */
struct carried {
    double value, lost;
};

INLINE struct carried carried_times(struct carried x, struct carried y) {
    double product = x.value * y.value;
    return (struct carried){product, (x.lost + y.lost) + lost_by_times(x.value, y.value, product) / product};
}

INLINE struct carried carried_over(struct carried x, struct carried y) {
    double quotient = x.value / y.value;
    return (struct carried){quotient, (x.lost - y.lost) + fma(-quotient, y.value, x.value) / x.value};
}

INLINE struct carried carried_root(struct carried x) {
    double root = sqrt(x.value);
    return (struct carried){root, 0.5 * (x.lost + fma(-root, root, x.value) / x.value)};
}
