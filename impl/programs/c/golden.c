/* Checks the optimizer against files of golden trajectories, without anything but those files.
 *
 * float is held to the bounds of binary32, double to those of binary64, in the class weighted/binary64: this
 * optimizer forms m as a weighted sum, and its scalars in double. The exact value is read as its correct rounding,
 * so half a unit in the last place is allowed on top of the bound.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adamax.h"
#include "json.h"

enum { MOST_ELEMENTS = 64, WEIGHTED_BINARY64 = 0 };

struct tally {
    long judged, open, wrong;
};

/* One parameter as both formats have it. */
struct parameter {
    size_t n;
    float theta_f[MOST_ELEMENTS], m_f[MOST_ELEMENTS], u_f[MOST_ELEMENTS], gradient_f[MOST_ELEMENTS];
    double theta[MOST_ELEMENTS], m[MOST_ELEMENTS], u[MOST_ELEMENTS], gradient[MOST_ELEMENTS];
};

static void die(const char *file, const char *what)
{
    fprintf(stderr, "%s: %s\n", file, what);
    exit(2);
}

static double number(const char *file, const struct json *value)
{
    double x;
    if (!json_hexadecimal(value, &x))
        die(file, "a number is missing");
    return x;
}

static const struct json *member(const struct json *array, size_t position)
{
    const struct json *found = array == NULL ? NULL : array->first;
    while (found != NULL && position-- > 0)
        found = found->next;
    return found;
}

static bool is_for(const struct json *test, const char *format)
{
    const struct json *formats = json_get(test, "formats");
    for (const struct json *x = formats == NULL ? NULL : formats->first; x != NULL; x = x->next)
        if (json_text(x) != NULL && strcmp(json_text(x), format) == 0)
            return true;
    return false;
}

/* Whether a value may be: within the bound, or one of those that are listed. */
static bool acceptable(const char *file, const struct json *value, const char *format, double actual,
                       struct tally *tally)
{
    const struct json *any = json_get(value, "any_of");
    if (any != NULL) {
        const char *name = isnan(actual) ? "nan" : actual > DBL_MAX ? "inf" : actual < -DBL_MAX ? "-inf" : "";
        for (const struct json *x = any->first; x != NULL; x = x->next)
            if (json_text(x) != NULL && strcmp(json_text(x), name) == 0)
                return true;
        return false;
    }
    const struct json *bound = member(json_get(json_get(value, "bound"), format), WEIGHTED_BINARY64);
    if (bound == NULL)
        die(file, "a bound is missing");
    if (bound->kind == JSON_NULL) { /* an admissible evaluation overflows or divides by zero */
        tally->open++;
        return true;
    }
    double rounded = number(file, json_get(json_get(value, "rounded"), format));
    double next = strcmp(format, "binary32") == 0 ? (double)nextafterf((float)rounded, INFINITY)
                                                  : nextafter(rounded, INFINITY);
    return fabs(actual - rounded) <= strtod(json_text(bound), NULL) + (next - rounded) / 2;
}

static void check_state(const char *file, const struct json *test, const struct json *state,
                        const struct parameter *parameters, bool is_float, struct tally *tally)
{
    static const char *const quantities[] = {"theta", "m", "u"};
    const char *format = is_float ? "binary32" : "binary64";
    for (int q = 0; q < 3; q++) {
        const struct json *arrays = json_get(state, quantities[q]);
        size_t position = 0;
        for (const struct json *array = arrays == NULL ? NULL : arrays->first; array != NULL;
             array = array->next) {
            const struct parameter *p = &parameters[position++];
            const float *narrow[] = {p->theta_f, p->m_f, p->u_f};
            const double *wide[] = {p->theta, p->m, p->u};
            size_t i = 0;
            for (const struct json *value = array->first; value != NULL && i < p->n; value = value->next, i++) {
                double actual = is_float ? (double)narrow[q][i] : wide[q][i];
                tally->judged++;
                if (!acceptable(file, value, format, actual, tally)) {
                    tally->wrong++;
                    printf("%s: %s after step %.0f in %s: %s of parameter %zu, element %zu, is %a\n", file,
                           json_text(json_get(test, "id")), json_get(state, "t")->number, format, quantities[q],
                           position - 1, i, actual);
                }
            }
        }
    }
}

static struct adamax_options read_options(const char *file, const struct json *options)
{
    const struct json *maximize = json_get(options, "maximize");
    return (struct adamax_options){
        .lr = number(file, json_get(options, "lr")),
        .beta1 = number(file, json_get(options, "beta1")),
        .beta2 = number(file, json_get(options, "beta2")),
        .eps = number(file, json_get(options, "eps")),
        .weight_decay = number(file, json_get(options, "weight_decay")),
        .maximize = maximize != NULL && maximize->truth,
    };
}

/* Takes step t of every parameter. A short list of gradients, or of learning rates, repeats. */
static void take_step(const char *file, const struct json *groups, struct parameter *parameters, long t, bool is_float)
{
    struct parameter *p = parameters;
    for (const struct json *group = groups->first; group != NULL; group = group->next) {
        struct adamax_options options = read_options(file, json_get(group, "options"));
        const struct json *rates = json_get(group, "learning_rates");
        if (rates != NULL && rates->count > 0)
            options.lr = number(file, member(rates, (size_t)(t - 1) % rates->count));
        for (const struct json *x = json_get(group, "parameters")->first; x != NULL; x = x->next, p++) {
            const struct json *gradients = json_get(x, "gradients");
            const struct json *g = member(gradients, (size_t)(t - 1) % gradients->count)->first;
            for (size_t i = 0; i < p->n && g != NULL; i++, g = g->next) {
                p->gradient[i] = number(file, g);
                p->gradient_f[i] = (float)p->gradient[i];
            }
            if (is_float)
                adamax_step_float(p->n, p->theta_f, p->m_f, p->u_f, p->gradient_f, t, &options);
            else
                adamax_step_double(p->n, p->theta, p->m, p->u, p->gradient, t, &options);
        }
    }
}

static void check_case(const char *file, const struct json *test, bool is_float, struct tally *tally)
{
    const struct json *groups = json_get(test, "groups");
    size_t count = 0;
    for (const struct json *group = groups->first; group != NULL; group = group->next)
        count += json_get(group, "parameters")->count;
    struct parameter *parameters = calloc(count > 0 ? count : 1, sizeof *parameters);
    if (parameters == NULL)
        die(file, "there is not enough memory");
    struct parameter *p = parameters;
    for (const struct json *group = groups->first; group != NULL; group = group->next)
        for (const struct json *x = json_get(group, "parameters")->first; x != NULL; x = x->next, p++)
            for (const struct json *v = json_get(x, "theta")->first; v != NULL; v = v->next, p->n++) {
                if (p->n == MOST_ELEMENTS)
                    die(file, "a parameter has more elements than this program takes");
                p->theta[p->n] = number(file, v);
                p->theta_f[p->n] = (float)p->theta[p->n];
            }
    const struct json *state = json_get(test, "states")->first;
    for (long t = 1; state != NULL; t++) {
        take_step(file, groups, parameters, t, is_float);
        if (json_get(state, "t")->number == (double)t) {
            check_state(file, test, state, parameters, is_float, tally);
            state = state->next;
        }
    }
    free(parameters);
}

static char *read_file(const char *name, size_t *length)
{
    FILE *file = fopen(name, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        die(name, "the file cannot be read");
    long size = ftell(file);
    rewind(file);
    char *text = size < 0 ? NULL : malloc((size_t)size + 1);
    if (text == NULL || fread(text, 1, (size_t)size, file) != (size_t)size)
        die(name, "the file cannot be read");
    fclose(file);
    *length = (size_t)size;
    return text;
}

int main(int argc, char **argv)
{
    struct tally tally = {0, 0, 0};
    long cases = 0;
    for (int i = 1; i < argc; i++) {
        size_t length;
        char *text = read_file(argv[i], &length);
        struct json_memory *memory;
        const struct json *file = json_parse(text, length, &memory);
        if (file == NULL)
            die(argv[i], "the file is not JSON");
        const struct json *all = json_get(file, "cases"); /* the contract and the schemas have none */
        for (const struct json *test = all == NULL ? NULL : all->first; test != NULL; test = test->next) {
            cases++;
            if (is_for(test, "binary32"))
                check_case(argv[i], test, true, &tally);
            if (is_for(test, "binary64"))
                check_case(argv[i], test, false, &tally);
        }
        json_free(memory);
        free(text);
    }
    printf("%ld cases, %ld numbers judged, %ld of them open, %ld wrong\n", cases, tally.judged, tally.open, tally.wrong);
    return tally.wrong > 0 || tally.judged == 0;
}
