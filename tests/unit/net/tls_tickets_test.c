/* How long keys of tickets last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "net/tls_tickets.h"

enum { NOW = 1000 };

static void a_key_is_replaced_and_then_forgotten(void **state)
{
    struct tls_tickets tickets = {.keys = {{.since_s = 0}}};
    uint8_t first[TICKET_NAME], second[TICKET_NAME];
    memcpy(first, tls_tickets_newest(&tickets, NOW)->name, sizeof first);
    assert_memory_equal(tls_tickets_newest(&tickets, NOW + TICKET_LIFE_S - 1)->name, first,
                        sizeof first);
    memcpy(second, tls_tickets_newest(&tickets, NOW + TICKET_LIFE_S)->name, sizeof second);
    assert_memory_not_equal(first, second, sizeof first);
    /* Its last ticket was made a moment before it was replaced. */
    assert_non_null(tls_tickets_find(&tickets, first, NOW + 2 * TICKET_LIFE_S - 1));
    assert_null(tls_tickets_find(&tickets, first, NOW + 2 * TICKET_LIFE_S));
    assert_non_null(tls_tickets_find(&tickets, second, NOW + 2 * TICKET_LIFE_S));
    tls_tickets_done(&tickets);
    assert_null(tls_tickets_find(&tickets, second, NOW + 2 * TICKET_LIFE_S));
}

static void old_keys_do_not_outlive_a_quiet_time(void **state)
{
    static const struct ticket_key none;
    struct tls_tickets tickets = {.keys = {{.since_s = 0}}};
    uint8_t first[TICKET_NAME];
    memcpy(first, tls_tickets_newest(&tickets, NOW)->name, sizeof first);
    assert_non_null(tls_tickets_newest(&tickets, NOW + 100 * TICKET_LIFE_S));
    assert_null(tls_tickets_find(&tickets, first, NOW + 100 * TICKET_LIFE_S));
    assert_memory_equal(&tickets.keys[1], &none, sizeof none);
    tls_tickets_done(&tickets);
}

static void what_is_no_name_finds_nothing(void **state)
{
    static const uint8_t zeros[TICKET_NAME];
    struct tls_tickets tickets = {.keys = {{.since_s = 0}}};
    assert_null(tls_tickets_find(&tickets, zeros, NOW));
    assert_non_null(tls_tickets_newest(&tickets, NOW));
    assert_null(tls_tickets_find(&tickets, zeros, NOW));
    tls_tickets_done(&tickets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_replaced_and_then_forgotten),
        cmocka_unit_test(old_keys_do_not_outlive_a_quiet_time),
        cmocka_unit_test(what_is_no_name_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
