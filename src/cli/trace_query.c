#include "cli/trace_query.h"

#include <string.h>
#include <time.h>

#include "base/id.h"
#include "base/instant.h"
#include "cli/trace_field.h"
#include "daemon/schema.h"

#define DAY_MS INT64_C(86400000)

/* "10:30" is the last time that it was 10:30. */
static bool scan_local(const char *text, int64_t now_ms, int64_t *out_ms)
{
    static const struct {
        const char *format;
        bool has_date;
    } formats[] = {
        {"%Y-%m-%d %H:%M:%S", true},
        {"%Y-%m-%dT%H:%M:%S", true},
        {"%Y-%m-%d %H:%M", true},
        {"%Y-%m-%dT%H:%M", true},
        {"%Y-%m-%d", true},
        {"%H:%M:%S", false},
        {"%H:%M", false},
    };
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct tm parts = {.tm_isdst = -1}, today;
        time_t now = (time_t)(now_ms / 1000);
        if (!localtime_r(&now, &today))
            return false;
        if (!formats[i].has_date)
            parts = (struct tm){.tm_year = today.tm_year,
                                .tm_mon = today.tm_mon,
                                .tm_mday = today.tm_mday,
                                .tm_isdst = -1};
        const char *end = strptime(text, formats[i].format, &parts);
        if (!end || *end)
            continue;
        parts.tm_isdst = -1;
        *out_ms = (int64_t)mktime(&parts) * 1000;
        if (!formats[i].has_date && *out_ms > now_ms)
            *out_ms -= DAY_MS;
        return true;
    }
    return false;
}

bool trace_moment_scan(const char *text, int64_t now_ms, int64_t *out_ms)
{
    int64_t ago_ms;
    if (schema_scan_duration(bytes_of(text), &ago_ms)) {
        *out_ms = ago_ms < now_ms ? now_ms - ago_ms : 0;
        return true;
    }
    return instant_scan(bytes_of(text), out_ms) || scan_local(text, now_ms, out_ms);
}

static bool scan_moment(const char *option, const char *text, int64_t *out_ms, struct error *err)
{
    return !text || trace_moment_scan(text, instant_now_ms(), out_ms) ||
           error_set(err, 0,
                     "%s takes a time such as 2h, 3d, 10:30, 2026-11-25, \"2026-11-25 10:30\" or "
                     "2026-11-25T10:30:00Z, not \"%.60s\"",
                     option, text);
}

bool trace_query_init(struct trace_query *query, const char *text, const char *since,
                      const char *until, struct error *err)
{
    struct ip ip;
    struct bytes wanted = bytes_trim(bytes_of(text));
    *query = (struct trace_query){.since_ms = INT64_MIN, .until_ms = INT64_MAX};
    if (!scan_moment("--since", since, &query->since_ms, err) ||
        !scan_moment("--until", until, &query->until_ms, err))
        return false;
    if (query->since_ms > query->until_ms)
        return error_set(err, 0, "--since is later than --until, so there is nothing in between");
    if (!text)
        return true;
    /* As the log writes it. */
    struct buf address = {
        .at = query->address, .cap = sizeof query->address, .limit = sizeof query->address};
    if (ip_scan(wanted, &ip)) {
        ip_print(&address, &ip);
        wanted = buf_view(&address);
    }
    if (!id_scan(wanted, &query->id))
        query->id = 0;
    return journal_needle_init(&query->needle, wanted) ||
           error_set(err, 0,
                     "\"%.60s\" is no message's id, no address and no host; write one such as "
                     "ann@example.org",
                     text);
}

bool trace_query_has_time(const struct trace_query *query, int64_t instant_ms)
{
    return instant_ms >= query->since_ms && instant_ms <= query->until_ms;
}

bool trace_query_matches(const struct trace_query *query, struct bytes line)
{
    int64_t instant_ms;
    bool is_always = query->since_ms == INT64_MIN && query->until_ms == INT64_MAX;
    if (query->needle.count && !journal_needle_matches(&query->needle, line))
        return false;
    return is_always ||
           (trace_field_instant(line, &instant_ms) && trace_query_has_time(query, instant_ms));
}
