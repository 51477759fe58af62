#include "mail/date.h"

static const char weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void date_print(struct buf *out, int64_t instant_ms)
{
    struct calendar c = instant_calendar(instant_ms);
    buf_addf(out, "%s, %d %s %04d %02d:%02d:%02d +0000", weekdays[c.weekday], c.day,
             months[c.month - 1], c.year, c.hour, c.minute, c.second);
}

/* Skips one blank or one fold (a CRLF that a blank follows). */
static bool blank_skip(struct bytes *rest)
{
    size_t at = bytes_starts(*rest, BYTES("\r\n")) ? 2 : 0;
    if (at >= rest->len || (rest->at[at] != ' ' && rest->at[at] != '\t'))
        return false;
    *rest = bytes_from(*rest, at + 1);
    return true;
}

/* Skips a comment, comments within it included; counted, for the sender chooses the depth. */
static bool comment_skip(struct bytes *rest)
{
    struct bytes at = *rest;
    size_t depth = 0;
    do {
        if (at.len == 0)
            return false;
        if (blank_skip(&at))
            continue;
        uint8_t byte = at.at[0];
        if (byte == '\r' || byte == '\n')
            return false;
        depth += byte == '(';
        depth -= byte == ')';
        at = bytes_from(at, byte == '\\' ? 2 : 1);
    } while (depth > 0);
    *rest = at;
    return true;
}

/* Skips comments and folding white space (CFWS); false for a comment that does not end. */
static bool cfws_skip(struct bytes *rest)
{
    for (;;) {
        while (blank_skip(rest))
            ;
        if (rest->len == 0 || rest->at[0] != '(')
            return true;
        if (!comment_skip(rest))
            return false;
    }
}

/* Takes the longest run of such bytes and the CFWS behind it; empty when there is none. */
static bool run_take(struct bytes *rest, bool (*is_in)(uint8_t byte), struct bytes *out)
{
    size_t len = 0;
    while (len < rest->len && is_in(rest->at[len]))
        len++;
    *out = bytes_sub(*rest, 0, len);
    *rest = bytes_from(*rest, len);
    return len > 0 && cfws_skip(rest);
}

static bool number_take(struct bytes *rest, size_t digits_max, int max, int *out)
{
    struct bytes digits;
    uint64_t value;
    if (!run_take(rest, ascii_is_digit, &digits) || digits.len > digits_max ||
        !scan_u64(digits, (uint64_t)max, &value))
        return false;
    *out = (int)value;
    return true;
}

/* Takes a byte and the CFWS behind it. */
static bool byte_take(struct bytes *rest, uint8_t byte)
{
    if (rest->len == 0 || rest->at[0] != byte)
        return false;
    *rest = bytes_from(*rest, 1);
    return cfws_skip(rest);
}

/* Index of the name in the list; count when it is not there. */
static int name_find(const char (*names)[4], int count, struct bytes name)
{
    int i = 0;
    while (i < count && !bytes_equal_nocase(name, bytes_of(names[i])))
        i++;
    return i;
}

static bool year_take(struct bytes *rest, int *out)
{
    struct bytes digits;
    uint64_t year;
    if (!run_take(rest, ascii_is_digit, &digits) || digits.len < 2 ||
        !scan_u64(digits, 9999, &year))
        return false;
    /* RFC 5322, 4.3: two digits from 50 on and all three are years since 1900. */
    if (digits.len == 2)
        year += year < 50 ? 2000 : 1900;
    else if (digits.len == 3)
        year += 1900;
    *out = (int)year;
    return year >= 1900;
}

static bool day_take(struct bytes *rest, struct calendar *out)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct bytes word;
    if (run_take(rest, ascii_is_alpha, &word) &&
        (name_find(weekdays, 7, word) == 7 || !byte_take(rest, ',')))
        return false;
    if (!number_take(rest, 2, 31, &out->day) || !run_take(rest, ascii_is_alpha, &word))
        return false;
    out->month = name_find(months, 12, word) + 1;
    if (out->month > 12 || !year_take(rest, &out->year))
        return false;
    bool is_leap = (out->year % 4 == 0 && out->year % 100 != 0) || out->year % 400 == 0;
    return out->day >= 1 && out->day <= month_days[out->month - 1] + (out->month == 2 && is_leap);
}

static bool time_take(struct bytes *rest, struct calendar *out)
{
    out->second = 0;
    if (!number_take(rest, 2, 23, &out->hour) || !byte_take(rest, ':') ||
        !number_take(rest, 2, 59, &out->minute))
        return false;
    if (rest->len == 0 || rest->at[0] != ':')
        return true;
    return byte_take(rest, ':') && number_take(rest, 2, 60, &out->second);
}

static bool zone_take(struct bytes *rest, int *minutes)
{
    /* RFC 5322, 4.3; all other words say nothing reliable and count as -0000. */
    static const char names[8][4] = {"EDT", "EST", "CDT", "CST", "MDT", "MST", "PDT", "PST"};
    static const int hours[9] = {-4, -5, -5, -6, -6, -7, -7, -8, 0};
    struct bytes word;
    if (run_take(rest, ascii_is_alpha, &word)) {
        *minutes = hours[name_find(names, 8, word)] * 60;
        return true;
    }
    if (rest->len == 0 || (rest->at[0] != '+' && rest->at[0] != '-'))
        return false;
    int sign = rest->at[0] == '-' ? -1 : 1;
    uint64_t number;
    *rest = bytes_from(*rest, 1);
    if (!run_take(rest, ascii_is_digit, &word) || word.len != 4 || !scan_u64(word, 9959, &number) ||
        number % 100 > 59)
        return false;
    *minutes = sign * (int)(number / 100 * 60 + number % 100);
    return true;
}

bool date_scan(struct bytes text, int64_t *out_ms)
{
    struct bytes rest = bytes_trim(text);
    struct calendar c;
    int zone_minutes;
    if (!cfws_skip(&rest) || !day_take(&rest, &c) || !time_take(&rest, &c) ||
        !zone_take(&rest, &zone_minutes) || rest.len)
        return false;
    int64_t instant_ms = calendar_instant(&c) - (int64_t)zone_minutes * 60000;
    /* The zone can carry a date over the edge of the years. */
    int year = instant_calendar(instant_ms).year;
    if (year < 1900 || year > 9999)
        return false;
    *out_ms = instant_ms;
    return true;
}
