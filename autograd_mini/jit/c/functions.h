/* Elementary functions for generated loops. They have no branches, so that a compiler can vectorise them, and err by at most
   2 units in the last place. x is reduced as in fdlibm (Sun Microsystems, 1993): eˣ = 2ⁿ eʳ with r = x − n ln 2, and
   ln x = e ln 2 + ln(1 + f) with 1 + f in [√½, √2]. The polynomials are Taylor series, cut where the next term is below the
   rounding error. */
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef unsigned char bool_t;

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define fma_f(a, b, c) __builtin_fmaf(a, b, c)
#define fma_d(a, b, c) __builtin_fma(a, b, c)
#else
#define fma_f(a, b, c) ((a) * (b) + (c))
#define fma_d(a, b, c) ((a) * (b) + (c))
#endif

#define LN2_HI_f 0.693359375f
#define LN2_LO_f -2.12194440e-4f
#define LN2_HI_d 6.93147180369123816490e-01
#define LN2_LO_d 1.90821492927058770002e-10

static inline float power_of_2_f(int32_t n) { int32_t b = (n + 127) << 23; float y; memcpy(&y, &b, 4); return y; }
static inline double power_of_2_d(int32_t n) { int64_t b = (int64_t)(n + 1023) << 52; double y; memcpy(&y, &b, 8); return y; }

static inline float clamp_f(float x, float low, float high) { return x < low ? low : x > high ? high : x; }
static inline double clamp_d(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

/* eʳ − 1 for |r| ≤ ½ ln 2 */
static inline float expm1_reduced_f(float r) {
    float p = 1.98412698e-4f;
    p = fma_f(p, r, 1.38888889e-3f); p = fma_f(p, r, 8.33333333e-3f); p = fma_f(p, r, 4.16666667e-2f);
    p = fma_f(p, r, 1.66666667e-1f); p = fma_f(p, r, 0.5f);
    return fma_f(p * r, r, r);
}
static inline double expm1_reduced_d(double r) {
    double p = 1.0 / 6227020800.0;
    p = fma_d(p, r, 1.0 / 479001600.0); p = fma_d(p, r, 1.0 / 39916800.0); p = fma_d(p, r, 1.0 / 3628800.0); p = fma_d(p, r, 1.0 / 362880.0);
    p = fma_d(p, r, 1.0 / 40320.0); p = fma_d(p, r, 1.0 / 5040.0); p = fma_d(p, r, 1.0 / 720.0); p = fma_d(p, r, 1.0 / 120.0);
    p = fma_d(p, r, 1.0 / 24.0); p = fma_d(p, r, 1.0 / 6.0); p = fma_d(p, r, 0.5);
    return fma_d(p * r, r, r);
}

/* ln(1 + f) for 1 + f in [√½, √2], plus e ln 2 */
static inline float log_reduced_f(float f, float e) {
    float s = f / (2.0f + f), z = s * s, half = 0.5f * f * f, p = 2.0f / 9.0f;
    p = fma_f(p, z, 2.0f / 7.0f); p = fma_f(p, z, 2.0f / 5.0f); p = fma_f(p, z, 2.0f / 3.0f);
    return e * LN2_HI_f - ((half - (s * (half + p * z) + e * LN2_LO_f)) - f);
}
static inline double log_reduced_d(double f, double e) {
    double s = f / (2.0 + f), z = s * s, half = 0.5 * f * f, p = 2.0 / 23.0;
    p = fma_d(p, z, 2.0 / 21.0); p = fma_d(p, z, 2.0 / 19.0); p = fma_d(p, z, 2.0 / 17.0); p = fma_d(p, z, 2.0 / 15.0); p = fma_d(p, z, 2.0 / 13.0);
    p = fma_d(p, z, 2.0 / 11.0); p = fma_d(p, z, 2.0 / 9.0); p = fma_d(p, z, 2.0 / 7.0); p = fma_d(p, z, 2.0 / 5.0); p = fma_d(p, z, 2.0 / 3.0);
    return e * LN2_HI_d - ((half - (s * (half + p * z) + e * LN2_LO_d)) - f);
}

static inline float log_f(float x) {
    float scaled = x < 1.17549435e-38f ? x * 8388608.0f : x;  /* subnormal numbers become normal */
    float shift = x < 1.17549435e-38f ? -23.0f : 0.0f;
    int32_t bits; memcpy(&bits, &scaled, 4);
    int32_t e = (bits >> 23) - 127, mantissa = (bits & 0x7fffff) | 0x3f800000;
    float m; memcpy(&m, &mantissa, 4);
    int32_t large = m > 1.41421356f;
    m = large ? 0.5f * m : m;
    float y = log_reduced_f(m - 1.0f, (float)(e + large) + shift);
    return x > 0.0f ? (x <= 3.40282347e38f ? y : x) : x == 0.0f ? -INFINITY : NAN;
}
static inline double log_d(double x) {
    double scaled = x < 2.2250738585072014e-308 ? x * 4503599627370496.0 : x;
    double shift = x < 2.2250738585072014e-308 ? -52.0 : 0.0;
    int64_t bits; memcpy(&bits, &scaled, 8);
    int64_t mantissa = (bits & 0xfffffffffffffLL) | 0x3ff0000000000000LL;
    int32_t e = (int32_t)(bits >> 52) - 1023;
    double m; memcpy(&m, &mantissa, 8);
    int32_t large = m > 1.4142135623730951;
    m = large ? 0.5 * m : m;
    double y = log_reduced_d(m - 1.0, (double)(e + large) + shift);
    return x > 0.0 ? (x <= 1.7976931348623157e308 ? y : x) : x == 0.0 ? -INFINITY : NAN;
}

#define DEFINE(T, S, LIMIT, LOWEST, HIGHEST)                                                                                   \
    static inline T reduce_##S(T x, T *r) {                                                                                    \
        T n = S##_rint(x * (T)1.4426950408889634);                                                                             \
        *r = fma_##S(-n, LN2_LO_##S, fma_##S(-n, LN2_HI_##S, x));                                                              \
        return n;                                                                                                              \
    }                                                                                                                          \
    static inline T exp_##S(T x) {                                                                                             \
        T r, n = reduce_##S(clamp_##S(x, (T)LOWEST, (T)HIGHEST), &r), y = expm1_reduced_##S(r) + (T)1;                         \
        int32_t k = (int32_t)n, half = k >> 1; /* in two steps: 2ⁿ itself may not be a number of this type */                  \
        return y * power_of_2_##S(half) * power_of_2_##S(k - half);                                                            \
    }                                                                                                                          \
    static inline T expm1_##S(T x) {                                                                                           \
        T r, n = reduce_##S(clamp_##S(x, (T)-LIMIT, (T)LIMIT), &r), scale = power_of_2_##S((int32_t)n);                        \
        T y = fma_##S(scale, expm1_reduced_##S(r), scale - (T)1);                                                              \
        return x > (T)LIMIT ? exp_##S(x) : x == (T)0 ? x : y;                                                                  \
    }                                                                                                                          \
    static inline T tanh_##S(T x) { /* with e = e⁻²ˣ: (1 − e) / (1 + e), or 1 − 2e / (1 + e) if that is above ½ */             \
        T size = x < (T)0 ? -x : x, twice = (T)-2 * (size > (T)(LIMIT / 2) ? (T)(LIMIT / 2) : size);                           \
        T r, n = reduce_##S(twice, &r), scale = power_of_2_##S((int32_t)n), p = expm1_reduced_##S(r);                          \
        T above = size < (T)0.55 ? -fma_##S(scale, p, scale - (T)1) : (T)-2 * fma_##S(scale, p, scale);                        \
        T ratio = above / fma_##S(scale, p, scale + (T)1), y = size < (T)0.55 ? ratio : ratio + (T)1;                          \
        return x < (T)0 ? -y : x == (T)0 ? x : y;                                                                              \
    }                                                                                                                          \
    static inline T log1p_##S(T x) { /* the rounding error of 1 + x is divided by 1 + x and added */                           \
        T w = (T)1 + x, y = log_##S(w) + (x - (w - (T)1)) / w;                                                                 \
        return x == (T)0 ? x : w > (T)0 && w <= (T)1e30 ? y : log_##S(w);                                                      \
    }                                                                                                                          \
    static inline T abs_##S(T x) { return S##_fabs(x); }                                                                       \
    static inline T sqrt_##S(T x) { return S##_sqrt(x); }                                                                      \
    static inline T max_##S(T a, T b) { return b > a ? b : a; }

#define f_rint rintf
#define f_fabs fabsf
#define f_sqrt sqrtf
#define d_rint rint
#define d_fabs fabs
#define d_sqrt sqrt
DEFINE(float, f, 20, -104, 89)
DEFINE(double, d, 44, -746, 710)
