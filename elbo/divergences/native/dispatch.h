/* The loops of LOOPS_IN, compiled for each set of instructions, and the table of the best that this processor has. */
#if defined(__x86_64__) && defined(__GNUC__)
#define TARGET __attribute__((target("avx2,fma")))
#define NAMED(f) f##_avx2
#include LOOPS_IN
#undef TARGET
#undef NAMED
#if !defined(__clang__)
#define WITH_AVX512
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma,prefer-vector-width=512")))
#define NAMED(f) f##_avx512
#include LOOPS_IN
#endif
static const struct kernel *available(void) {
    __builtin_cpu_init();
#ifdef WITH_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw"))
        return kernels_avx512;
#endif
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? kernels_avx2 : NULL;
}
#elif defined(__aarch64__) && defined(__GNUC__)
#define TARGET
#define NAMED(f) f##_neon
#include LOOPS_IN
static const struct kernel *available(void) { return kernels_neon; }
#else
#error "a processor with fused multiply-add and a compiler that vectorises: the formulas in Python stand in"
#endif

static const struct kernel *table;
static Py_ssize_t kernels; /* in the table */
