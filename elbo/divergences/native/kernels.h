/* The kernels: loops over the formulas, compiled once for each set of instructions. TARGET is the attribute, NAMED(f)
   the name there.

   A kernel gets n elements of each input and computes in double. Where an element is beyond the formula's range it
   writes NaN and says that it does not vouch for all of them; the formula in Python then does that one. A products
   kernel writes the derivative by each input times the incoming gradient. */

#define ONE(x, i) x[0][i]
#define TWO(x, i) x[0][i], x[1][i]
#define THREE(x, i) x[0][i], x[1][i], x[2][i]
#define FOUR(x, i) x[0][i], x[1][i], x[2][i], x[3][i]

#define VALUE(name, real, formula, INPUTS)                                                              \
    TARGET static int NAMED(name)(const real *restrict *x, real *restrict out, long n) {                \
        int beyond = 0;                                                                                 \
        INDEPENDENT                                                                                     \
        for (long i = 0; i < n; i++) {                                                                  \
            int fine;                                                                                   \
            double value = formula(INPUTS(x, i), &fine);                                                \
            beyond |= !fine;                                                                           \
            out[i] = (real)(fine ? value : NAN);                                                        \
        }                                                                                               \
        return !beyond;                                                                                 \
    }

#define PRODUCTS(name, real, slopes, INPUTS, count)                                                     \
    TARGET static int NAMED(name)(const real *restrict *x, const real *restrict g, real *restrict *out, long n) { \
        int beyond = 0;                                                                                 \
        INDEPENDENT                                                                                     \
        for (long i = 0; i < n; i++) {                                                                  \
            int fine;                                                                                   \
            double by[count];                                                                           \
            slopes(INPUTS(x, i), by, &fine);                                                            \
            beyond |= !fine;                                                                           \
            double factor = fine ? g[i] : NAN; /* not a branch around all of the above */               \
            for (int j = 0; j < count; j++) out[j][i] = (real)(factor * by[j]);                         \
        }                                                                                               \
        return !beyond;                                                                                 \
    }

#define LOOPS(name, brief, INPUTS, count)                      \
    VALUE(name##_value64, double, name, INPUTS)                \
    VALUE(name##_value32, float, brief, INPUTS)                \
    PRODUCTS(name##_products64, double, name##_slopes, INPUTS, count) \
    PRODUCTS(name##_products32, float, name##_slopes, INPUTS, count)

LOOPS(normal_by_std, normal_by_std_brief, FOUR, 4)
LOOPS(half_normal, half_normal_brief, TWO, 2)
LOOPS(laplace, laplace, FOUR, 4)
LOOPS(cauchy, cauchy, FOUR, 4)
LOOPS(pareto, pareto, FOUR, 4)
LOOPS(relative_entropy, relative_entropy, TWO, 2)
LOOPS(itakura_saito, itakura_saito, TWO, 2)
LOOPS(bernoulli_by_probs, bernoulli_by_probs, TWO, 2)
LOOPS(bernoulli_by_logits, bernoulli_by_logits_brief, TWO, 2)
LOOPS(negative_by_logits, negative_by_logits_brief, TWO, 2)
LOOPS(geometric_by_logits, geometric_by_logits_brief, TWO, 2)
LOOPS(geometric, geometric, TWO, 2)
LOOPS(bregman, bregman, THREE, 3)
LOOPS(slope_difference, slope_difference, THREE, 3)
LOOPS(gamma_laws, gamma_laws, FOUR, 4)
LOOPS(beta_most, beta_most, FOUR, 4)
LOOPS(exponential_gamma, exponential_gamma, THREE, 3)
LOOPS(gumbel, gumbel, FOUR, 4)
LOOPS(weibull, weibull, FOUR, 4)
LOOPS(lognormal_gamma, lognormal_gamma, FOUR, 4)
LOOPS(laplace_normal, laplace_normal, FOUR, 4)
LOOPS(exponential_normal, exponential_normal, THREE, 3)
LOOPS(gumbel_normal, gumbel_normal, FOUR, 4)
LOOPS(normal_gumbel, normal_gumbel, FOUR, 4)
LOOPS(exponential_gumbel, exponential_gumbel_brief, THREE, 3)
LOOPS(gamma_gumbel, gamma_gumbel, FOUR, 4)
LOOPS(tilted, tilted, TWO, 2)
LOOPS(tilted_normal, tilted_normal, THREE, 3)
LOOPS(tilted_normal_by_probs, tilted_normal_by_probs, THREE, 3)
LOOPS(tilted_exponential, tilted_exponential, TWO, 2)
LOOPS(tilted_exponential_by_probs, tilted_exponential_by_probs, TWO, 2)
LOOPS(beta_normal, beta_normal, FOUR, 4)
LOOPS(gamma_normal, gamma_normal, FOUR, 4)
LOOPS(beta_gamma, beta_gamma, FOUR, 4)
LOOPS(uniform, uniform, FOUR, 4)
LOOPS(uniform_exponential, uniform_exponential, THREE, 3)
LOOPS(uniform_normal, uniform_normal, FOUR, 4)
LOOPS(uniform_pareto, uniform_pareto, FOUR, 4)
LOOPS(uniform_gumbel, uniform_gumbel, FOUR, 4)
LOOPS(uniform_tilted, uniform_tilted, THREE, 3)
LOOPS(uniform_tilted_by_probs, uniform_tilted_by_probs, THREE, 3)
LOOPS(uniform_gamma, uniform_gamma, FOUR, 4)
LOOPS(uniform_beta, uniform_beta, FOUR, 4)
LOOPS(pareto_exponential, pareto_exponential, THREE, 3)
LOOPS(pareto_gamma, pareto_gamma, FOUR, 4)
LOOPS(pareto_normal, pareto_normal, FOUR, 4)
LOOPS(bernoulli_poisson_by_probs, bernoulli_poisson_by_probs, TWO, 2)
LOOPS(bernoulli_poisson_by_logits, bernoulli_poisson_by_logits, TWO, 2)
LOOPS(log_gamma, log_gamma, ONE, 1)
LOOPS(digamma, digamma, ONE, 1)

/* what beta_most leaves as NaN although it is within range: too long to be done for all */
#define BETA_REST(real, value, products)                                                                     \
    TARGET static int NAMED(beta_laws_##value)(const real *restrict *x, real *restrict out, long n) {               \
        int beyond = 0, fine;                                                                           \
        if (NAMED(beta_most_##value)(x, out, n)) return 1;                                              \
        for (long i = 0; i < n; i++) {                                                                  \
            if (out[i] == out[i]) continue;                                                             \
            double rest = beta_rest(FOUR(x, i), &fine);                                                 \
            beyond |= !fine;                                                                            \
            out[i] = (real)(fine ? rest : NAN);                                                         \
        }                                                                                               \
        return !beyond;                                                                                 \
    }                                                                                                   \
    TARGET static int NAMED(beta_laws_##products)(const real *restrict *x, const real *restrict g, real *restrict *out, long n) { \
        int vouched = NAMED(beta_most_##products)(x, g, out, n);                                        \
        for (long i = 0; i < n; i++) {                                                                  \
            if (((out[2][i] == out[2][i]) & (out[3][i] == out[3][i])) | (out[0][i] != out[0][i])) continue; \
            int first = x[0][i] > x[1][i], second = !first;                                             \
            double rest = beta_rest_slope(x[second][i], x[first][i], x[2 + second][i], x[2 + first][i]); \
            out[2 + second][i] = (real)(g[i] * rest);                                                   \
        }                                                                                               \
        return vouched;                                                                                 \
    }
BETA_REST(double, value64, products64)
BETA_REST(float, value32, products32)
/* the derivatives of these are left to Python */
VALUE(curvature_value64, double, curvature, ONE)
VALUE(curvature_value32, float, curvature, ONE)
VALUE(beta_nodes_value64, double, beta_nodes, THREE)
VALUE(beta_nodes_value32, float, beta_nodes, THREE)

/* Whether no number is NaN; there is no output. */
#define NUMBERS(name, real)                                                                             \
    TARGET static int NAMED(name)(const real *const *x, real *out, long n) {                            \
        int missing = 0;                                                                                \
        (void)out;                                                                                      \
        for (long i = 0; i < n; i++) missing |= x[0][i] != x[0][i];                                     \
        return !missing;                                                                                \
    }
NUMBERS(numbers64, double)
NUMBERS(numbers32, float)

#define ENTRY(name, count)                                                                    \
    {                                                                                         \
        #name, count, (value_of)NAMED(name##_value64), (value_of)NAMED(name##_value32),       \
            (products_of)NAMED(name##_products64), (products_of)NAMED(name##_products32),     \
    }
static const struct kernel NAMED(kernels)[] = {
    ENTRY(normal_by_std, 4),
    ENTRY(half_normal, 2),
    ENTRY(laplace, 4),
    ENTRY(cauchy, 4),
    ENTRY(pareto, 4),
    ENTRY(relative_entropy, 2),
    ENTRY(itakura_saito, 2),
    ENTRY(bernoulli_by_probs, 2),
    ENTRY(bernoulli_by_logits, 2),
    ENTRY(negative_by_logits, 2),
    ENTRY(geometric_by_logits, 2),
    ENTRY(geometric, 2),
    ENTRY(bregman, 3),
    ENTRY(slope_difference, 3),
    ENTRY(gamma_laws, 4),
    ENTRY(beta_laws, 4),
    ENTRY(exponential_gamma, 3),
    ENTRY(gumbel, 4),
    ENTRY(weibull, 4),
    ENTRY(lognormal_gamma, 4),
    ENTRY(laplace_normal, 4),
    ENTRY(exponential_normal, 3),
    ENTRY(gumbel_normal, 4),
    ENTRY(normal_gumbel, 4),
    ENTRY(exponential_gumbel, 3),
    ENTRY(gamma_gumbel, 4),
    ENTRY(tilted, 2),
    ENTRY(tilted_normal, 3),
    ENTRY(tilted_normal_by_probs, 3),
    ENTRY(tilted_exponential, 2),
    ENTRY(tilted_exponential_by_probs, 2),
    ENTRY(beta_normal, 4),
    ENTRY(gamma_normal, 4),
    ENTRY(beta_gamma, 4),
    ENTRY(uniform, 4),
    ENTRY(uniform_exponential, 3),
    ENTRY(uniform_normal, 4),
    ENTRY(uniform_pareto, 4),
    ENTRY(uniform_gumbel, 4),
    ENTRY(uniform_tilted, 3),
    ENTRY(uniform_tilted_by_probs, 3),
    ENTRY(uniform_gamma, 4),
    ENTRY(uniform_beta, 4),
    ENTRY(pareto_exponential, 3),
    ENTRY(pareto_gamma, 4),
    ENTRY(pareto_normal, 4),
    ENTRY(bernoulli_poisson_by_probs, 2),
    ENTRY(bernoulli_poisson_by_logits, 2),
    ENTRY(log_gamma, 1),
    ENTRY(digamma, 1),
    {"curvature", 1, (value_of)NAMED(curvature_value64), (value_of)NAMED(curvature_value32), NULL, NULL},
    {"beta_nodes", 3, (value_of)NAMED(beta_nodes_value64), (value_of)NAMED(beta_nodes_value32), NULL, NULL},
    {NULL, 0, NULL, NULL, NULL, NULL},
    /* behind the end of the table: no formula */
    {"numbers", 0, (value_of)NAMED(numbers64), (value_of)NAMED(numbers32), NULL, NULL},
};

#undef ONE
#undef TWO
#undef THREE
#undef FOUR
#undef VALUE
#undef PRODUCTS
#undef LOOPS
#undef NUMBERS
#undef BETA_REST
#undef ENTRY
