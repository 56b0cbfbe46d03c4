#include "json.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 64, CHUNK = 1 << 16 };

struct json_memory {
    struct json_memory *before;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

struct reader {
    const char *at, *end;
    struct json_memory *memory;
    bool failed;
};

static void *take(struct reader *r, size_t size)
{
    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (r->memory == NULL || r->memory->size - r->memory->used < size) {
        size_t room = size > CHUNK ? size : CHUNK;
        struct json_memory *chunk = malloc(sizeof *chunk + room);
        if (chunk == NULL)
            abort();
        *chunk = (struct json_memory){.before = r->memory, .size = room};
        r->memory = chunk;
    }
    void *result = r->memory->bytes + r->memory->used;
    r->memory->used += size;
    return result;
}

void json_free(struct json_memory *memory)
{
    while (memory != NULL) {
        struct json_memory *before = memory->before;
        free(memory);
        memory = before;
    }
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

static bool accept(struct reader *r, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0)
        return false;
    r->at += length;
    return true;
}

static bool four_hex_digits(struct reader *r, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        if (r->at == r->end || !isxdigit((unsigned char)*r->at))
            return false;
        char c = (char)tolower((unsigned char)*r->at);
        *code = *code * 16 + (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return true;
}

static size_t utf8(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char leading[] = {0, 0xC0, 0xE0, 0xF0};
    for (size_t i = more; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(leading[more] | code);
    return more + 1;
}

static const char *parse_string(struct reader *r)
{
    if (!accept(r, "\"")) {
        r->failed = true;
        return NULL;
    }
    const char *close = r->at;
    while (close < r->end && *close != '"')
        close += *close == '\\' && close + 1 < r->end ? 2 : 1;
    if (close >= r->end) {
        r->failed = true;
        return NULL;
    }
    char *text = take(r, (size_t)(close - r->at) + 1), *out = text; /* an escape never gets longer */
    while (r->at < close) {
        char c = *r->at++;
        if (c != '\\') {
            r->failed |= (unsigned char)c < 0x20;
            *out++ = c;
            continue;
        }
        static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
        char name = *r->at++;
        const char *known = name != '\0' ? strchr(names, name) : NULL;
        uint32_t code, low;
        if (known != NULL) {
            *out++ = meanings[known - names];
        } else if (name == 'u' && four_hex_digits(r, &code)) {
            if (code >= 0xD800 && code < 0xDC00) {
                if (!accept(r, "\\u") || !four_hex_digits(r, &low) || low < 0xDC00 || low > 0xDFFF)
                    r->failed = true;
                else
                    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            }
            r->failed |= code == 0; /* text here ends with a zero byte */
            out += utf8(code, out);
        } else {
            r->failed = true;
        }
        if (r->failed)
            return NULL;
    }
    *out = '\0';
    r->at = close + 1;
    return text;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static void parse_number(struct reader *r, struct json *value)
{
    const char *start = r->at;
    accept(r, "-");
    const char *digits = r->at;
    value->kind = JSON_INTEGER;
    while (r->at < r->end && isdigit((unsigned char)*r->at))
        r->at++;
    r->failed |= r->at == digits || (*digits == '0' && r->at - digits > 1);
    if (accept(r, ".")) {
        value->kind = JSON_REAL;
        digits = r->at;
        while (r->at < r->end && isdigit((unsigned char)*r->at))
            r->at++;
        r->failed |= r->at == digits;
    }
    if (accept(r, "e") || accept(r, "E")) {
        value->kind = JSON_REAL;
        if (!accept(r, "+"))
            accept(r, "-");
        digits = r->at;
        while (r->at < r->end && isdigit((unsigned char)*r->at))
            r->at++;
        r->failed |= r->at == digits;
    }
    if (r->failed)
        return;
    size_t length = (size_t)(r->at - start);
    char *text = take(r, length + 1);
    memcpy(text, start, length);
    text[length] = '\0';
    value->number = strtod(text, NULL);
}

static struct json *parse_value(struct reader *r, int depth);

static void parse_members(struct reader *r, struct json *holder, const char *close, int depth)
{
    struct json **end = &holder->first;
    skip_space(r);
    if (accept(r, close))
        return;
    while (!r->failed) {
        const char *key = NULL;
        skip_space(r);
        if (holder->kind == JSON_OBJECT) {
            key = parse_string(r);
            skip_space(r);
            r->failed = r->failed || !accept(r, ":");
        }
        struct json *member = r->failed ? NULL : parse_value(r, depth);
        if (member == NULL)
            return;
        member->key = key;
        *end = member;
        end = &member->next;
        holder->count++;
        skip_space(r);
        if (accept(r, close))
            return;
        r->failed = !accept(r, ",");
    }
}

static struct json *parse_value(struct reader *r, int depth)
{
    struct json *value = take(r, sizeof *value);
    *value = (struct json){.kind = JSON_NULL};
    skip_space(r);
    if (r->at == r->end || depth == DEEPEST) {
        r->failed = true;
    } else if (accept(r, "null")) {
        value->kind = JSON_NULL;
    } else if (accept(r, "true") || accept(r, "false")) {
        value->kind = JSON_BOOL;
        value->truth = r->at[-2] == 'u';
    } else if (*r->at == '"') {
        value->kind = JSON_STRING;
        value->text = parse_string(r);
    } else if (accept(r, "[")) {
        value->kind = JSON_ARRAY;
        parse_members(r, value, "]", depth + 1);
    } else if (accept(r, "{")) {
        value->kind = JSON_OBJECT;
        parse_members(r, value, "}", depth + 1);
    } else {
        parse_number(r, value);
    }
    return r->failed ? NULL : value;
}

const struct json *json_parse(const char *text, size_t length, struct json_memory **memory)
{
    struct reader r = {.at = text, .end = text + length};
    const struct json *value = parse_value(&r, 0);
    skip_space(&r);
    *memory = r.memory;
    return r.at == r.end ? value : NULL;
}

const struct json *json_get(const struct json *value, const char *key)
{
    if (value == NULL || value->kind != JSON_OBJECT)
        return NULL;
    const struct json *found = NULL;
    for (const struct json *member = value->first; member != NULL; member = member->next)
        if (strcmp(member->key, key) == 0)
            found = member; /* of two with one key, the last counts */
    return found;
}

const char *json_text(const struct json *value)
{
    return value != NULL && value->kind == JSON_STRING ? value->text : NULL;
}

bool json_hexadecimal(const struct json *value, double *number)
{
    const char *text = json_text(value);
    if (text == NULL)
        return false;
    const char *digits = text + (*text == '-');
    if (strcmp(digits, "nan") != 0 && strcmp(digits, "inf") != 0 && strncmp(digits, "0x", 2) != 0)
        return false;
    char *end;
    *number = strtod(text, &end);
    return *end == '\0';
}
