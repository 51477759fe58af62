/* Words for the compiler: promises about functions, and assertions that stay on in release. */
#pragma once

/* The result says whether it worked; dropping it is a bug. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* printf-like: format is argument number f, the values begin at number a. */
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* Ends the process with a message: for bugs only, never for input. */
_Noreturn void assert_failed(const char *expression, const char *file, int line);

#define ASSERT(expression)                                                                         \
    do {                                                                                           \
        if (!(expression))                                                                         \
            assert_failed(#expression, __FILE__, __LINE__);                                        \
    } while (0)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The struct of the given type whose member is at this address (<stddef.h> for offsetof). */
#define CONTAINER(pointer, type, member)                                                           \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
