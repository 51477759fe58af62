/* What status codes mean to people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/dsn_reason.h"

static const struct {
    const char *status, *failed, *delayed;
} rows[] = {
    {"5.1.1", "there is no mailbox", "could not take it"},
    {"5.1.10", "takes no mail at all", "could not take it"},
    {"5.1.16", "does not accept the address", "could not take it"},
    {"5.1.2", "behind the @ sign does not exist", "could not take it"},
    {"5.1.8", "your own address", "could not take it"},
    {"5.2.2", "the mailbox is full", "the mailbox is full"},
    {"4.2.1", "the mailbox takes no mail", "at present"},
    {"5.3.4", "larger than their server", "at present"},
    {"5.4.1", "out of reach", "does not answer"},
    {"4.4.3", "out of reach", "cannot be found out"},
    {"5.4.4", "there is no server", "does not answer"},
    {"5.4.6", "in a circle", "does not answer"},
    {"5.4.7", "in the time allowed", "later than you asked for"},
    {"5.5.3", "too many recipients", "could not take it"},
    {"5.6.7", "letters like these", "could not take it"},
    {"5.6.3", "the form of the message", "could not take it"},
    {"5.7.1", "by its rules", "come back later"},
    {"5.7.2", "members", "come back later"},
    {"5.7.26", "is from you", "come back later"},
    {"4.7.4", "by its rules", "their server has none"},
    {"4.7.5", "by its rules", "not certain"},
    {"4.7.8", "wants a password", "does not let us in"},
    {"5.7.133", "by its rules", "come back later"},
    {"5.0.0", "it was refused", "could not take it"},
    {"5.9", "it was refused", "could not take it"},
    {"5", "it was refused", "could not take it"},
    {"", "it was refused", "could not take it"},
};

static void each_has_words(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct dsn_reason failed = dsn_reason_failed(bytes_of(rows[i].status));
        struct dsn_reason delayed = dsn_reason_delayed(bytes_of(rows[i].status));
        if (bytes_search(failed.what, bytes_of(rows[i].failed)) == failed.what.len)
            fail_msg("%s failed: %.*s", rows[i].status, BYTES_ARGS(failed.what));
        if (bytes_search(delayed.what, bytes_of(rows[i].delayed)) == delayed.what.len)
            fail_msg("%s delayed: %.*s", rows[i].status, BYTES_ARGS(delayed.what));
        assert_true(failed.advice.len && bytes_is_ascii(failed.advice));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
