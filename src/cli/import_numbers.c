/* Limits and times: parameters that have a key of their own each. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/import_draft.h"

enum number_kind { NUMBER_COUNT, NUMBER_SIZE, NUMBER_SECONDS, NUMBER_HOURS, NUMBER_DAYS };

#define DAY INT64_C(86400)

/* Where two have one key, the first that is set counts. 0 is written as `zero`, NULL: it has no
 * counterpart. */
static const struct {
    const char *name;
    enum import_section section;
    const char *key;
    enum number_kind kind; /* of times: the unit of a number without one */
    int64_t least, most;   /* of times in seconds */
    const char *zero;
} rows[] = {
    {"maximal_queue_lifetime", SECTION_QUEUE, "expire", NUMBER_DAYS, 1, 365 * DAY, "1m"},
    {"minimal_backoff_time", SECTION_QUEUE, "retry_first", NUMBER_SECONDS, 1, DAY, NULL},
    {"maximal_backoff_time", SECTION_QUEUE, "retry_max", NUMBER_SECONDS, 1, DAY, NULL},
    {"delay_warning_time", SECTION_QUEUE, "delay_notice", NUMBER_HOURS, 1, 365 * DAY, "0"},
    {"smtp_destination_concurrency_limit", SECTION_QUEUE, "connections", NUMBER_COUNT, 1, 1000,
     "1000"},
    {"default_destination_concurrency_limit", SECTION_QUEUE, "connections", NUMBER_COUNT, 1, 1000,
     "1000"},
    {"smtp_destination_recipient_limit", SECTION_QUEUE, "recipients_per_transaction", NUMBER_COUNT,
     1, 10000, "10000"},
    {"default_destination_recipient_limit", SECTION_QUEUE, "recipients_per_transaction",
     NUMBER_COUNT, 1, 10000, "10000"},
    {"smtp_connection_reuse_count_limit", SECTION_QUEUE, "messages_per_connection", NUMBER_COUNT, 1,
     1000000, "1000000"},
    {"message_size_limit", SECTION_LIMITS, "message_size", NUMBER_SIZE, 64 << 10, INT64_C(4) << 30,
     "4G"},
    {"header_size_limit", SECTION_LIMITS, "header_size", NUMBER_SIZE, 16 << 10, 16 << 20, NULL},
    {"line_length_limit", SECTION_LIMITS, "line", NUMBER_SIZE, 2048, 64 << 10, NULL},
    {"smtpd_recipient_limit", SECTION_LIMITS, "recipients", NUMBER_COUNT, 100, 10000, NULL},
    {"smtpd_hard_error_limit", SECTION_LIMITS, "errors", NUMBER_COUNT, 1, 10000, NULL},
    {"hopcount_limit", SECTION_LIMITS, "hops", NUMBER_COUNT, 10, 1000, NULL},
    {"smtpd_client_connection_count_limit", SECTION_LIMITS, "sessions_per_address", NUMBER_COUNT, 1,
     1000000, "1000000"},
    {"smtpd_timeout", SECTION_LIMITS, "command_timeout", NUMBER_SECONDS, 1, 3600, NULL},
    {"smtpd_starttls_timeout", SECTION_LIMITS, "handshake_timeout", NUMBER_SECONDS, 1, 3600, NULL},
    {"smtpd_min_data_rate", SECTION_LIMITS, "data_rate", NUMBER_SIZE, 1, INT64_C(1) << 30, "0"},
    {"smtp_connect_timeout", SECTION_OUTBOUND, "connect_timeout", NUMBER_SECONDS, 1, 3600, NULL},
    {"smtp_helo_timeout", SECTION_OUTBOUND, "command_timeout", NUMBER_SECONDS, 1, 3600, NULL},
    {"smtp_mail_timeout", SECTION_OUTBOUND, "command_timeout", NUMBER_SECONDS, 1, 3600, NULL},
    {"smtp_rcpt_timeout", SECTION_OUTBOUND, "command_timeout", NUMBER_SECONDS, 1, 3600, NULL},
    {"smtp_data_init_timeout", SECTION_OUTBOUND, "data_begin_timeout", NUMBER_SECONDS, 1, 3600,
     NULL},
    {"smtp_data_xfer_timeout", SECTION_OUTBOUND, "data_block_timeout", NUMBER_SECONDS, 1, 3600,
     NULL},
    {"smtp_data_done_timeout", SECTION_OUTBOUND, "data_end_timeout", NUMBER_SECONDS, 1, 3600, NULL},
    {"smtp_connection_cache_time_limit", SECTION_OUTBOUND, "idle", NUMBER_SECONDS, 1, 3600, "0s"},
};

static const char *const section_names[SECTION_COUNT] = {
    [SECTION_QUEUE] = "queue", [SECTION_LIMITS] = "limits", [SECTION_OUTBOUND] = "outbound"};

static const struct {
    uint8_t letter;
    int64_t seconds;
} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', DAY}, {'w', 7 * DAY}};

static int64_t default_unit(enum number_kind kind)
{
    return kind == NUMBER_DAYS ? DAY : kind == NUMBER_HOURS ? 3600 : 1;
}

/* A number, of a time with a unit behind it. */
static bool read_number(struct bytes text, enum number_kind kind, int64_t *out)
{
    uint64_t number;
    int64_t factor = default_unit(kind);
    bool is_time = kind >= NUMBER_SECONDS;
    for (size_t i = 0; is_time && text.len && i < COUNT(units); i++)
        if (ascii_lower(text.at[text.len - 1]) == units[i].letter) {
            factor = units[i].seconds;
            text.len--;
            break;
        }
    if (!scan_u64(text, INT64_C(1) << 40, &number))
        return false;
    *out = (int64_t)number * factor;
    return true;
}

static void add_number(struct buf *out, int64_t number, enum number_kind kind)
{
    size_t unit = COUNT(units) - 1; /* no weeks */
    if (kind < NUMBER_SECONDS) {
        buf_addf(out, "%" PRId64, number);
        return;
    }
    while (unit-- > 1 && number % units[unit].seconds != 0)
        ;
    unit = number % units[unit].seconds == 0 ? unit : 0;
    buf_addf(out, "%" PRId64 "%c", number / units[unit].seconds, units[unit].letter);
}

static bool has_key(struct bytes section, const char *key)
{
    char line[64];
    snprintf(line, sizeof line, "  %s: ", key);
    return bytes_starts(section, bytes_of(line)) ||
           (snprintf(line, sizeof line, "\n  %s: ", key) > 0 &&
            bytes_search(section, bytes_of(line)) < section.len);
}

static void write_row(struct import_draft *draft, size_t row, const struct import_setting *setting,
                      int64_t number)
{
    struct buf *out = &draft->sections[rows[row].section];
    int64_t fit = number < rows[row].least  ? rows[row].least
                  : number > rows[row].most ? rows[row].most
                                            : number;
    buf_addf(out, "  %s: ", rows[row].key);
    if (number == 0)
        buf_addf(out, "%s", rows[row].zero);
    else
        add_number(out, fit, rows[row].kind);
    buf_add(out, BYTES("\n"));
    /* The longest wait is an hour where nothing is said, and none may be shorter than the first. */
    if (strcmp(rows[row].key, "retry_first") == 0 && fit > 3600 &&
        !import_set(draft, "maximal_backoff_time")) {
        buf_add(out, BYTES("  retry_max: "));
        add_number(out, fit, rows[row].kind);
        buf_add(out, BYTES("\n"));
    }
    import_note(draft, IMPORT_MAPPED, setting, "%s.%s%s", section_names[rows[row].section],
                rows[row].key, number && fit != number ? ", as near as it can be" : "");
}

void import_numbers(struct import_draft *draft)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct import_setting *setting = import_set(draft, rows[i].name);
        struct buf value;
        int64_t number;
        if (!setting)
            continue;
        buf_init(&value, IMPORT_VALUE_LIMIT);
        bool is_read = import_value(draft, draft->main, rows[i].name, &value) &&
                       read_number(bytes_trim(buf_view(&value)), rows[i].kind, &number);
        buf_done(&value);
        if (!is_read)
            import_note(draft, IMPORT_TO_DO, setting, "is no number; write %s.%s by hand",
                        section_names[rows[i].section], rows[i].key);
        else if (has_key(buf_view(&draft->sections[rows[i].section]), rows[i].key))
            import_note(draft, IMPORT_NOT_NEEDED, setting, "another one is %s.%s already",
                        section_names[rows[i].section], rows[i].key);
        else if (number == 0 && !rows[i].zero)
            import_note(draft, IMPORT_LOST, setting, "%s.%s has no such meaning of 0",
                        section_names[rows[i].section], rows[i].key);
        else
            write_row(draft, i, setting, number);
    }
}
