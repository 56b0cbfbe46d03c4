/* Adamax behind the pipe: one JSON object a line in, one a line out. See impl/PROTOCOL.md. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adamax.h"
#include "json.h"

/* State between requests ---------------------------------------------------------------------------- */

struct parameter {
    size_t group, size, dimensions, *shape;
    void *theta, *m, *u, *gradient; /* of float or of double */
};

struct optimizer {
    struct optimizer *next;
    long number, t;
    bool is_float;
    size_t groups, parameters;
    struct adamax_options *options; /* one for each group */
    struct parameter *parameter;
};

static struct optimizer *optimizers, *checkpoints; /* of a checkpoint, theta and gradient are not used */
static long last_number;

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL)
        abort();
    return memory;
}

static struct optimizer *new_optimizer(bool is_float, size_t groups, size_t parameters)
{
    struct optimizer *made = allocate(1, sizeof *made);
    made->is_float = is_float;
    made->groups = groups;
    made->parameters = parameters;
    made->options = allocate(groups, sizeof *made->options);
    made->parameter = allocate(parameters, sizeof *made->parameter);
    return made;
}

static void free_optimizer(struct optimizer *o)
{
    for (size_t i = 0; i < o->parameters; i++) {
        struct parameter *p = &o->parameter[i];
        free(p->shape), free(p->theta), free(p->m), free(p->u), free(p->gradient);
    }
    free(o->parameter);
    free(o->options);
    free(o);
}

static size_t real_size(const struct optimizer *o)
{
    return o->is_float ? sizeof(float) : sizeof(double);
}

static void set_element(const struct optimizer *o, void *array, size_t i, double x)
{
    if (o->is_float)
        ((float *)array)[i] = (float)x;
    else
        ((double *)array)[i] = x;
}

static double element(const struct optimizer *o, const void *array, size_t i)
{
    return o->is_float ? (double)((const float *)array)[i] : ((const double *)array)[i];
}

/* Answers -------------------------------------------------------------------------------------------------- */

static double current_id; /* NaN if the request has no id */

static void begin(void)
{
    if (isnan(current_id))
        printf("{\"id\":null,");
    else
        printf("{\"id\":%.0f,", current_id);
}

/* Words of this program only: nothing in them is to be escaped. */
static void answer_error(const char *kind, const char *type, const char *message)
{
    begin();
    printf("\"error\":{\"kind\":\"%s\",", kind);
    if (type != NULL)
        printf("\"type\":\"%s\",", type);
    printf("\"message\":\"%s\"}}\n", message);
}

static void answer_malformed(const char *message)
{
    answer_error("protocol", NULL, message);
}

static void answer_skipped(const char *reason)
{
    begin();
    printf("\"skipped\":\"%s\"}\n", reason);
}

static void answer_number(const char *name, long number)
{
    begin();
    printf("\"ok\":{\"%s\":%ld}}\n", name, number);
}

static void answer_done(void)
{
    begin();
    printf("\"ok\":{}}\n");
}

static void write_array(const struct optimizer *o, const struct parameter *p, const void *array)
{
    printf("{\"shape\":[");
    for (size_t i = 0; i < p->dimensions; i++)
        printf("%s%zu", i > 0 ? "," : "", p->shape[i]);
    printf("],\"data\":[");
    for (size_t i = 0; i < p->size; i++)
        printf("%s\"%a\"", i > 0 ? "," : "", element(o, array, i));
    printf("]}");
}

/* member is the offset of an array in struct parameter. */
static void write_arrays(const struct optimizer *o, size_t member)
{
    printf("[");
    for (size_t i = 0; i < o->parameters; i++) {
        const struct parameter *p = &o->parameter[i];
        printf("%s", i > 0 ? "," : "");
        write_array(o, p, *(void *const *)((const char *)p + member));
    }
    printf("]");
}

static void write_state(const struct optimizer *o)
{
    printf("\"state\":{\"theta\":");
    write_arrays(o, offsetof(struct parameter, theta));
    printf(",\"m\":");
    write_arrays(o, offsetof(struct parameter, m));
    printf(",\"u\":");
    write_arrays(o, offsetof(struct parameter, u));
    printf("}");
}

/* Arrays and arguments ------------------------------------------------------------------------------------- */

/* The number of elements of an array; -1 if it is not an array. */
static double array_size(const struct json *value)
{
    const struct json *shape = json_get(value, "shape"), *data = json_get(value, "data");
    if (shape == NULL || shape->kind != JSON_ARRAY || data == NULL || data->kind != JSON_ARRAY)
        return -1;
    double size = 1;
    for (const struct json *n = shape->first; n != NULL; n = n->next) {
        if (n->kind != JSON_INTEGER || n->number < 0)
            return -1;
        size *= n->number;
    }
    return size == (double)data->count ? size : -1;
}

static bool read_elements(const struct optimizer *o, const struct json *value, void *array)
{
    size_t i = 0;
    for (const struct json *x = json_get(value, "data")->first; x != NULL; x = x->next) {
        double number;
        if (!json_hexadecimal(x, &number))
            return false;
        set_element(o, array, i++, number);
    }
    return true;
}

/* Whether a value is an int or a float; a bool is not. */
static bool read_real(const struct json *value, double *number)
{
    if (value->kind == JSON_INTEGER) {
        *number = value->number;
        return true;
    }
    return json_hexadecimal(json_get(value, "float"), number);
}

/* lr may be a tensor without dimensions too. */
static bool read_learning_rate(const struct json *value, double *number)
{
    const struct json *array = json_get(value, "array");
    if (array_size(array) == 1 && json_get(array, "shape")->count == 0)
        return json_hexadecimal(json_get(array, "data")->first, number);
    return read_real(value, number);
}

struct refusal {
    const char *type, *message;
};

static struct refusal set_option(struct adamax_options *options, const char *name, const struct json *value)
{
    static const struct refusal none = {NULL, NULL};
    if (strcmp(name, "lr") == 0) {
        if (!read_learning_rate(value, &options->lr))
            return (struct refusal){"ValueError", "lr must be an int, a float or a tensor without dimensions"};
    } else if (strcmp(name, "betas") == 0) {
        const struct json *pair = json_get(value, "tuple");
        pair = pair != NULL ? pair : json_get(value, "list");
        if (pair == NULL || pair->kind != JSON_ARRAY || pair->count != 2 ||
            !read_real(pair->first, &options->beta1) || !read_real(pair->first->next, &options->beta2))
            return (struct refusal){"TypeError", "betas must be two floats"};
    } else if (strcmp(name, "eps") == 0) {
        if (!read_real(value, &options->eps))
            return (struct refusal){"TypeError", "eps must be a float"};
    } else if (strcmp(name, "weight_decay") == 0) {
        if (!read_real(value, &options->weight_decay))
            return (struct refusal){"TypeError", "weight_decay must be a float"};
    } else if (strcmp(name, "maximize") == 0) {
        if (value->kind != JSON_BOOL)
            return (struct refusal){"TypeError", "maximize must be a bool"};
        options->maximize = value->truth;
    } else {
        return (struct refusal){"ValueError", "an option is unknown"};
    }
    return none;
}

static struct refusal set_options(struct adamax_options *options, const struct json *values)
{
    struct refusal refusal = {NULL, NULL};
    for (const struct json *x = values->first; x != NULL && refusal.type == NULL; x = x->next)
        refusal = set_option(options, x->key, x);
    return refusal;
}

/* Requests ------------------------------------------------------------------------------------------------- */

static struct optimizer **find(struct optimizer **list, const struct json *number)
{
    if (number == NULL || number->kind != JSON_INTEGER)
        return NULL;
    for (; *list != NULL; list = &(*list)->next)
        if ((double)(*list)->number == number->number)
            return list;
    return NULL;
}

static void start(const struct json *request)
{
    const struct json *protocol = json_get(request, "protocol");
    const char *device = json_text(json_get(request, "device"));
    if (protocol == NULL || protocol->kind != JSON_INTEGER || protocol->number != 1 || device == NULL) {
        answer_malformed("this program speaks protocol 1");
    } else if (strcmp(device, "cpu") != 0) {
        answer_error("unsupported-device", NULL, "this program runs on the cpu");
    } else {
        begin();
        printf("\"ok\":{\"name\":\"adamax.c\",\"framework\":\"none\",\"version\":\"1.0\",\"language\":\"C\","
               "\"runtime\":\"C%ld\",\"dtypes\":[\"float32\",\"float64\"],\"layouts\":[\"contiguous\"],"
               "\"has\":{\"state\":true,\"groups\":true,\"set_lr\":true,\"save\":true}}}\n",
               (long)__STDC_VERSION__);
    }
}

static bool read_parameter(const struct optimizer *o, const struct json *value, struct parameter *p)
{
    const struct json *shape = json_get(value, "shape");
    double size = array_size(value);
    if (size < 0)
        return false;
    p->size = (size_t)size;
    p->dimensions = shape->count;
    p->shape = allocate(p->dimensions, sizeof *p->shape);
    size_t i = 0;
    for (const struct json *n = shape->first; n != NULL; n = n->next)
        p->shape[i++] = (size_t)n->number;
    p->theta = allocate(p->size, real_size(o));
    p->m = allocate(p->size, real_size(o));
    p->u = allocate(p->size, real_size(o));
    p->gradient = allocate(p->size, real_size(o));
    return read_elements(o, value, p->theta);
}

/* Fills a new optimizer; answers and returns false where it cannot. */
static bool fill(struct optimizer *o, const struct json *groups, const struct json *defaults)
{
    size_t position = 0, number = 0;
    for (const struct json *group = groups->first; group != NULL; group = group->next, number++) {
        struct adamax_options *options = &o->options[number];
        *options = adamax_defaults;
        struct refusal refusal = set_options(options, defaults);
        if (refusal.type == NULL)
            refusal = set_options(options, json_get(group, "options"));
        if (refusal.type == NULL && adamax_refusal(options) != NULL)
            refusal = (struct refusal){"ValueError", adamax_refusal(options)};
        if (refusal.type != NULL) {
            answer_error("rejected", refusal.type, refusal.message);
            return false;
        }
        for (const struct json *x = json_get(group, "params")->first; x != NULL; x = x->next, position++) {
            o->parameter[position].group = number;
            if (!read_parameter(o, x, &o->parameter[position])) {
                answer_malformed("a parameter is not an array");
                return false;
            }
        }
    }
    return true;
}

static void construct(const struct json *request)
{
    const char *dtype = json_text(json_get(request, "dtype"));
    const char *layout = json_text(json_get(request, "layout"));
    const struct json *groups = json_get(request, "groups"), *defaults = json_get(request, "defaults");
    const struct json *positional = json_get(request, "positional"), *share = json_get(request, "share");
    const struct json *schedule = json_get(request, "schedule");
    if (dtype == NULL || layout == NULL || groups == NULL || groups->kind != JSON_ARRAY || defaults == NULL ||
        defaults->kind != JSON_OBJECT || positional == NULL || positional->kind != JSON_ARRAY ||
        share == NULL || share->kind != JSON_BOOL) {
        answer_malformed("construct lacks a member");
        return;
    }
    if (strcmp(dtype, "float32") != 0 && strcmp(dtype, "float64") != 0) {
        answer_error("unsupported-dtype", NULL, "this program computes in float32 and float64");
        return;
    }
    if (strcmp(layout, "contiguous") != 0) {
        answer_skipped("an array is contiguous here");
        return;
    }
    if (positional->count > 0 || (schedule != NULL && schedule->kind != JSON_NULL)) {
        answer_skipped("this program has no positional arguments and no schedulers");
        return;
    }
    if (share->truth) {
        answer_error("rejected", "ValueError", "a parameter is given twice");
        return;
    }
    size_t parameters = 0;
    for (const struct json *group = groups->first; group != NULL; group = group->next) {
        const struct json *options = json_get(group, "options"), *params = json_get(group, "params");
        if (options == NULL || options->kind != JSON_OBJECT || (params != NULL && params->kind != JSON_ARRAY)) {
            answer_malformed("a group has options and params");
            return;
        }
        if (params == NULL) {
            answer_error("rejected", "ValueError", "a group lacks params");
            return;
        }
        parameters += params->count;
    }
    struct optimizer *made = new_optimizer(strcmp(dtype, "float32") == 0, groups->count, parameters);
    if (!fill(made, groups, defaults)) {
        free_optimizer(made);
        return;
    }
    made->number = ++last_number;
    made->next = optimizers;
    optimizers = made;
    answer_number("handle", made->number);
}

/* Whether gradients fit the parameters; they are read if so. */
static bool read_gradients(struct optimizer *o, const struct json *gradients)
{
    if (gradients == NULL || gradients->kind != JSON_ARRAY || gradients->count != o->parameters)
        return false;
    size_t position = 0;
    for (const struct json *x = gradients->first; x != NULL; x = x->next) {
        struct parameter *p = &o->parameter[position++];
        const struct json *shape = json_get(x, "shape");
        if (array_size(x) != (double)p->size || shape->count != p->dimensions)
            return false;
        size_t i = 0;
        for (const struct json *n = shape->first; n != NULL; n = n->next)
            if (n->number != (double)p->shape[i++])
                return false;
        if (!read_elements(o, x, p->gradient))
            return false;
    }
    return true;
}

/* Sets learning rates; answers and returns false where it cannot. */
static bool set_learning_rates(struct optimizer *o, const struct json *rates)
{
    if (rates == NULL || rates->kind == JSON_NULL)
        return true;
    if (rates->kind != JSON_ARRAY || rates->count > o->groups) {
        answer_malformed("want one learning rate for each group");
        return false;
    }
    size_t group = 0;
    for (const struct json *rate = rates->first; rate != NULL; rate = rate->next, group++) {
        if (rate->kind == JSON_NULL)
            continue;
        struct adamax_options changed = o->options[group];
        struct refusal refusal = set_option(&changed, "lr", rate);
        if (refusal.type == NULL && adamax_refusal(&changed) != NULL)
            refusal = (struct refusal){"ValueError", adamax_refusal(&changed)};
        if (refusal.type != NULL) {
            answer_error("rejected", refusal.type, refusal.message);
            return false;
        }
        o->options[group] = changed;
    }
    return true;
}

static void step(struct optimizer *o, const struct json *request)
{
    if (!read_gradients(o, json_get(request, "gradients"))) {
        answer_malformed("want one gradient of its shape for each parameter");
        return;
    }
    if (!set_learning_rates(o, json_get(request, "lr")))
        return;
    o->t++;
    for (size_t i = 0; i < o->parameters; i++) {
        struct parameter *p = &o->parameter[i];
        if (o->is_float)
            adamax_step_float(p->size, p->theta, p->m, p->u, p->gradient, o->t, &o->options[p->group]);
        else
            adamax_step_double(p->size, p->theta, p->m, p->u, p->gradient, o->t, &o->options[p->group]);
    }
    begin();
    printf("\"ok\":{");
    write_state(o);
    printf(",\"gradients\":");
    write_arrays(o, offsetof(struct parameter, gradient));
    printf(",\"lr\":[");
    for (size_t i = 0; i < o->groups; i++)
        printf("%s\"%a\"", i > 0 ? "," : "", o->options[i].lr);
    printf("]}}\n");
}

static void read_back(const struct optimizer *o)
{
    begin();
    printf("\"ok\":{");
    write_state(o);
    printf(",\"groups\":[");
    for (size_t i = 0; i < o->groups; i++) {
        const struct adamax_options *x = &o->options[i];
        printf("%s{\"lr\":{\"float\":\"%a\"},\"betas\":{\"tuple\":[{\"float\":\"%a\"},{\"float\":\"%a\"}]},"
               "\"eps\":{\"float\":\"%a\"},\"weight_decay\":{\"float\":\"%a\"},\"maximize\":%s}",
               i > 0 ? "," : "", x->lr, x->beta1, x->beta2, x->eps, x->weight_decay,
               x->maximize ? "true" : "false");
    }
    printf("]}}\n");
}

/* Everything but theta, from one optimizer to another of the same parameters. */
static void copy_state(struct optimizer *to, const struct optimizer *from)
{
    to->t = from->t;
    memcpy(to->options, from->options, from->groups * sizeof *from->options);
    for (size_t i = 0; i < from->parameters; i++) {
        memcpy(to->parameter[i].m, from->parameter[i].m, from->parameter[i].size * real_size(from));
        memcpy(to->parameter[i].u, from->parameter[i].u, from->parameter[i].size * real_size(from));
    }
}

static void save(const struct optimizer *o)
{
    struct optimizer *made = new_optimizer(o->is_float, o->groups, o->parameters);
    for (size_t i = 0; i < o->parameters; i++) {
        made->parameter[i].size = o->parameter[i].size;
        made->parameter[i].m = allocate(o->parameter[i].size, real_size(o));
        made->parameter[i].u = allocate(o->parameter[i].size, real_size(o));
    }
    copy_state(made, o);
    made->number = ++last_number;
    made->next = checkpoints;
    checkpoints = made;
    answer_number("checkpoint", made->number);
}

static void load(struct optimizer *o, const struct json *request)
{
    struct optimizer **checkpoint = find(&checkpoints, json_get(request, "checkpoint"));
    bool fits = checkpoint != NULL && (*checkpoint)->is_float == o->is_float &&
                (*checkpoint)->groups == o->groups && (*checkpoint)->parameters == o->parameters;
    for (size_t i = 0; fits && i < o->parameters; i++)
        fits = (*checkpoint)->parameter[i].size == o->parameter[i].size;
    if (!fits) {
        answer_malformed("the checkpoint is unknown, or of other parameters");
        return;
    }
    copy_state(o, *checkpoint);
    answer_done();
}

/* Whether to go on. */
static bool answer(const struct json *request)
{
    const struct json *id = json_get(request, "id");
    const char *op = json_text(json_get(request, "op"));
    current_id = NAN;
    if (id == NULL || id->kind != JSON_INTEGER || id->number < 0) {
        answer_malformed("the line is not a request: want an object with an id and an op");
        return true;
    }
    current_id = id->number;
    if (op == NULL) {
        answer_malformed("a request has an op");
    } else if (strcmp(op, "stop") == 0) {
        answer_done();
        return false;
    } else if (strcmp(op, "start") == 0) {
        start(request);
    } else if (strcmp(op, "construct") == 0) {
        construct(request);
    } else {
        struct optimizer **found = find(&optimizers, json_get(request, "handle"));
        if (found == NULL) {
            answer_malformed("the operation or its handle is unknown");
        } else if (strcmp(op, "step") == 0) {
            step(*found, request);
        } else if (strcmp(op, "read") == 0) {
            read_back(*found);
        } else if (strcmp(op, "save") == 0) {
            save(*found);
        } else if (strcmp(op, "load") == 0) {
            load(*found, request);
        } else if (strcmp(op, "release") == 0) {
            struct optimizer *gone = *found;
            *found = gone->next;
            free_optimizer(gone);
            answer_done();
        } else {
            answer_malformed("the operation is unknown");
        }
    }
    return true;
}

/* A line without its end, in memory that the next call takes again; false at the end of the input. */
static bool read_line(char **line, size_t *length)
{
    static size_t room;
    *length = 0;
    for (int c = getchar(); c != '\n'; c = getchar()) {
        if (c == EOF)
            return false;
        if (*length + 1 >= room) {
            room = room * 2 + 4096;
            *line = realloc(*line, room);
            if (*line == NULL)
                abort();
        }
        (*line)[(*length)++] = (char)c;
    }
    return true;
}

int main(void)
{
    char *line = NULL;
    size_t length;
    bool going = true;
    while (going && read_line(&line, &length)) {
        struct json_memory *memory;
        going = answer(json_parse(line, length, &memory));
        json_free(memory);
        fflush(stdout);
    }
    free(line);
    return 0;
}
