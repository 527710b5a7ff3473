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
