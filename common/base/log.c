#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 4096, VALUE_BYTES = 1600 };

static const char *const level_words[] = {"debug", "info", "warn", "error"};
static const char *log_service = "-";
static enum log_level log_least = LOG_INFO;

void log_setup(const char *service, enum log_level least)
{
    log_service = service;
    log_least = least;
}

bool log_level_parse(const char *word, enum log_level *level)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcmp(word, level_words[i]) != 0) continue;
        *level = (enum log_level)i;
        return true;
    }
    return false;
}

struct line {
    char text[LINE_BYTES];
    size_t used;
};

static void put(struct line *line, const char *bytes, size_t size)
{
    size_t room = sizeof line->text - 1 - line->used; /* one for the newline */
    if (size > room) size = room;
    memcpy(line->text + line->used, bytes, size);
    line->used += size;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

static bool needs_quotes(const char *value)
{
    if (!*value) return true;
    for (const unsigned char *c = (const unsigned char *)value; *c; c++)
        if (*c <= ' ' || *c == '"' || *c == '\\' || *c == '=' || *c == 0x7f) return true;
    return false;
}

static void put_value(struct line *line, const char *value)
{
    if (!needs_quotes(value)) {
        put_text(line, value);
        return;
    }
    put(line, "\"", 1);
    for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
        char escaped[5] = {'\\', (char)*c, 0};
        if (*c == '\n') escaped[1] = 'n';
        if (*c == '\t') escaped[1] = 't';
        if (*c == '"' || *c == '\\' || *c == '\n' || *c == '\t')
            put(line, escaped, 2);
        else if (*c < ' ' || *c == 0x7f)
            put(line, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\x%02x", *c));
        else
            put(line, (const char *)c, 1);
    }
    put(line, "\"", 1);
}

/* Print the argument of one directive ("%lld") and move `args` past it. */
static bool print_one(char *value, size_t size, const char *directive, va_list *args)
{
    char conversion = directive[strlen(directive) - 1];
    const char *point = strchr(directive, '.');
    if (conversion == 's') {
        const char *text = va_arg(*args, const char *);
        snprintf(value, size, "%s", text ? text : "");
    } else if (strcmp(directive, "%llu") == 0)
        snprintf(value, size, "%llu", va_arg(*args, unsigned long long));
    else if (strcmp(directive, "%lld") == 0)
        snprintf(value, size, "%lld", va_arg(*args, long long));
    else if (strcmp(directive, "%zu") == 0)
        snprintf(value, size, "%zu", va_arg(*args, size_t));
    else if (conversion == 'd')
        snprintf(value, size, "%d", va_arg(*args, int));
    else if (conversion == 'u')
        snprintf(value, size, "%u", va_arg(*args, unsigned));
    else if (conversion == 'f')
        snprintf(value, size, "%.*f", point ? atoi(point + 1) : 6, va_arg(*args, double));
    else
        return false;
    return true;
}

static void put_fields(struct line *line, const char *fields, va_list *args)
{
    while (*fields) {
        size_t key = strcspn(fields, "%");
        put(line, fields, key);
        fields += key;
        size_t length = strcspn(fields, " ");
        char directive[16] = "", value[VALUE_BYTES];
        if (length == 0) return;
        if (length >= sizeof directive) length = sizeof directive - 1;
        memcpy(directive, fields, length);
        if (!print_one(value, sizeof value, directive, args)) {
            put_text(line, "bad-format");
            return;
        }
        put_value(line, value);
        fields += length;
    }
}

void log_event(enum log_level level, const char *event, const char *fields, ...)
{
    if (level < log_least) return;
    struct line line = {.used = 0};
    char time_text[32];
    put_text(&line, "ts=");
    put_text(&line, clock_text(clock_wall_ms(), time_text));
    put_text(&line, " level=");
    put_text(&line, level_words[level]);
    put_text(&line, " svc=");
    put_text(&line, log_service);
    put_text(&line, " event=");
    put_value(&line, event);
    if (*fields) put(&line, " ", 1);
    va_list args;
    va_start(args, fields);
    put_fields(&line, fields, &args);
    va_end(args);
    line.text[line.used++] = '\n';
    if (write(STDERR_FILENO, line.text, line.used) < 0) return; /* nowhere left to say it */
}
