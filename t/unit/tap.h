
/*
 * Copyright (C) The nginx counters module authors
 *
 * What a unit test needs to print TAP: no plan up front, done() prints it.
 */


#ifndef _TAP_H_INCLUDED_
#define _TAP_H_INCLUDED_


#include <stdarg.h>
#include <stdio.h>
#include <string.h>


static int  tap_run;
static int  tap_failed;


static inline void
tap_report(int cond, const char *fmt, va_list args)
{
    tap_run++;

    if (!cond) {
        tap_failed++;
    }

    printf("%sok %d - ", cond ? "" : "not ", tap_run);
    vprintf(fmt, args);
    printf("\n");
}


__attribute__((format(printf, 2, 3)))
static inline int
ok(int cond, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    tap_report(cond, fmt, args);
    va_end(args);

    return cond;
}


/* "got" needs no terminator and may be NULL */

__attribute__((format(printf, 4, 5)))
static inline int
is_str(const void *got, size_t len, const char *expected, const char *fmt, ...)
{
    int      cond;
    va_list  args;

    cond = len == strlen(expected)
           && (len == 0 || memcmp(got, expected, len) == 0);

    va_start(args, fmt);
    tap_report(cond, fmt, args);
    va_end(args);

    if (!cond) {
        printf("#      got: '%.*s'\n# expected: '%s'\n",
               (int) len, got ? (const char *) got : "", expected);
    }

    return cond;
}


__attribute__((format(printf, 3, 4)))
static inline int
is_int(long long got, long long expected, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    tap_report(got == expected, fmt, args);
    va_end(args);

    if (got != expected) {
        printf("#      got: %lld\n# expected: %lld\n", got, expected);
    }

    return got == expected;
}


/* the beginning of any text, fit for the name of a test */

static inline const char *
label(const char *s)
{
    size_t       i;
    static char  buf[61];

    for (i = 0; i < sizeof(buf) - 1 && s[i]; i++) {
        buf[i] = (s[i] < ' ' || s[i] > '~' || s[i] == '#') ? '.' : s[i];
    }

    buf[i] = '\0';

    return buf;
}


static inline int
done(void)
{
    printf("1..%d\n", tap_run);
    fflush(stdout);

    return tap_failed != 0;
}


#endif /* _TAP_H_INCLUDED_ */
