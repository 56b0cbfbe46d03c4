#include "adamax.h"

#include <math.h>

const struct adamax_options adamax_defaults = {2e-3, 0.9, 0.999, 1e-8, 0.0, false};

const char *adamax_refusal(const struct adamax_options *options)
{
    /* Written so that NaN is refused as well. */
    if (!(options->lr >= 0 && isfinite(options->lr)))
        return "lr must be finite and at least 0";
    if (!(options->beta1 >= 0 && options->beta1 < 1))
        return "betas[0] must be in [0, 1)";
    if (!(options->beta2 >= 0 && options->beta2 < 1))
        return "betas[1] must be in [0, 1)";
    if (!(options->eps > 0 && isfinite(options->eps)))
        return "eps must be finite and greater than 0";
    if (!(options->weight_decay >= 0 && isfinite(options->weight_decay)))
        return "weight_decay must be finite and at least 0";
    return NULL;
}

/* The scalars are formed in double, and rounded once. The maximum is NaN where one of the two is. */
#define DEFINE_STEP(NAME, REAL, ABS)                                                                        \
    void NAME(size_t n, REAL *theta, REAL *m, REAL *u, const REAL *gradient, long t,                        \
              const struct adamax_options *options)                                                         \
    {                                                                                                       \
        const REAL rate = (REAL)(options->lr / (1 - pow(options->beta1, (double)t)));                       \
        const REAL beta1 = (REAL)options->beta1, complement = (REAL)(1 - options->beta1);                   \
        const REAL beta2 = (REAL)options->beta2, eps = (REAL)options->eps;                                  \
        const REAL decay = (REAL)options->weight_decay;                                                     \
        for (size_t i = 0; i < n; i++) {                                                                    \
            REAL g = options->maximize ? -gradient[i] : gradient[i];                                        \
            if (decay != 0)                                                                                 \
                g += decay * theta[i];                                                                      \
            m[i] = beta1 * m[i] + complement * g;                                                           \
            const REAL decayed = beta2 * u[i], fresh = ABS(g) + eps;                                        \
            u[i] = decayed > fresh || isnan(decayed) ? decayed : fresh;                                     \
            theta[i] -= rate * (m[i] / u[i]);                                                               \
        }                                                                                                   \
    }

DEFINE_STEP(adamax_step_float, float, fabsf)
DEFINE_STEP(adamax_step_double, double, fabs)
