/* Fields that pretend to be ours are cut out, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/forged.h"

#define OURS "Authentication-Results: mx.example.org; dmarc=pass\r\n"
#define OTHERS "Authentication-Results: mx.example.net; dmarc=pass\r\n"
#define JUNK "x-postrider-JUNK: no,\r\n\treally\r\n"
#define REST "From: ann@example.org\r\nSubject: X-Postrider-Junk: no\r\n"

static const struct {
    const char *name, *section, *want; /* NULL: nothing is cut */
} rows[] = {
    {"nothing to cut", OTHERS REST, NULL},
    {"empty", "", NULL},
    {"results", OURS OTHERS REST, OTHERS REST},
    {"junk", REST JUNK, REST},
    {"both", JUNK OURS REST OTHERS JUNK, REST OTHERS},
    {"only that", OURS JUNK, ""},
};

static void sections_by_table(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out;
        buf_init(&out, strlen(rows[i].section));
        bool has_cut = forged_cut(&out, bytes_of(rows[i].section), BYTES("mx.example.org"));
        if (has_cut != (rows[i].want != NULL) ||
            !bytes_equal(buf_view(&out), bytes_of(has_cut ? rows[i].want : "")))
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sections_by_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
