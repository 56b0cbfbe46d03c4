/* Adamax over arrays of float or double.
 *
 * g <- g + weight_decay*theta, negated first when maximizing; m <- beta1*m + (1 - beta1)*g;
 * u <- max(beta2*u, |g| + eps); theta <- theta - lr*m / ((1 - beta1^t)*u).
 */
#ifndef ADAMAX_H
#define ADAMAX_H

#include <stdbool.h>
#include <stddef.h>

struct adamax_options {
    double lr, beta1, beta2, eps, weight_decay;
    bool maximize;
};

extern const struct adamax_options adamax_defaults;

/* What is wrong with the options; NULL where nothing is. */
const char *adamax_refusal(const struct adamax_options *options);

/* Step t, counted from 1, of n elements. m and u are zero before the first step. */
void adamax_step_float(size_t n, float *theta, float *m, float *u, const float *gradient, long t,
                       const struct adamax_options *options);
void adamax_step_double(size_t n, double *theta, double *m, double *u, const double *gradient, long t,
                        const struct adamax_options *options);

#endif
