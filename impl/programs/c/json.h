/* A small JSON reader: a text becomes a tree, and the whole tree is freed at once. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

enum json_kind { JSON_NULL, JSON_BOOL, JSON_INTEGER, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    bool truth;         /* of JSON_BOOL */
    double number;      /* of JSON_INTEGER and JSON_REAL */
    const char *text;   /* of JSON_STRING: UTF-8, ended by a zero byte */
    size_t count;       /* members of JSON_ARRAY and JSON_OBJECT */
    struct json *first; /* the first member */
    struct json *next;  /* the next member of the same array or object */
    const char *key;    /* of a member of an object */
};

struct json_memory; /* all that one text takes */

/* The tree of a text; NULL if it is not JSON. Either way *memory is to be freed. */
const struct json *json_parse(const char *text, size_t length, struct json_memory **memory);
void json_free(struct json_memory *memory);

/* A member by its key; NULL if value is NULL, not an object, or has no such member. */
const struct json *json_get(const struct json *value, const char *key);

/* The text of a string; NULL if value is NULL or not a string. */
const char *json_text(const struct json *value);

/* A number as float.hex of Python and %a of C write it, in a string; false if value is not one. */
bool json_hexadecimal(const struct json *value, double *number);

#endif
