#include "base/instant.h"

#include <time.h>

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    int failed = clock_gettime(clock, &now);
    ASSERT(!failed);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t instant_now_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t instant_steady_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

int64_t instant_steady_us(void)
{
    struct timespec now;
    int failed = clock_gettime(CLOCK_MONOTONIC, &now);
    ASSERT(!failed);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Days from 1970-01-01 and back, by eras of 400 years that begin on 1 March (the leap day last). */
static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

struct calendar instant_calendar(int64_t instant_ms)
{
    int64_t seconds = instant_ms / 1000 - (instant_ms % 1000 < 0);
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    int64_t rest = seconds - days * 86400;
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month_from_march = (int)((5 * day_of_year + 2) / 153);
    int month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    return (struct calendar){
        .year = (int)(year_of_era + era * 400 + (month <= 2)),
        .month = month,
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
        .hour = (int)(rest / 3600),
        .minute = (int)(rest / 60 % 60),
        .second = (int)(rest % 60),
        .weekday = (int)(((days + 4) % 7 + 7) % 7),
    };
}

int64_t calendar_instant(const struct calendar *calendar)
{
    int64_t days = days_from_civil(calendar->year, calendar->month, calendar->day);
    return ((days * 24 + calendar->hour) * 60 + calendar->minute) * 60000 +
           (int64_t)calendar->second * 1000;
}

/* Each log line begins with an instant: printf is too slow for that. */
static void print_digits(struct buf *out, int number, size_t digits)
{
    uint8_t text[4];
    for (size_t i = digits; i-- > 0; number /= 10)
        text[i] = (uint8_t)('0' + number % 10);
    buf_add(out, (struct bytes){text, digits});
}

void instant_print(struct buf *out, int64_t instant_ms)
{
    struct calendar c = instant_calendar(instant_ms);
    int ms = (int)((instant_ms % 1000 + 1000) % 1000);
    print_digits(out, c.year, 4);
    buf_add_byte(out, '-');
    print_digits(out, c.month, 2);
    buf_add_byte(out, '-');
    print_digits(out, c.day, 2);
    buf_add_byte(out, 'T');
    print_digits(out, c.hour, 2);
    buf_add_byte(out, ':');
    print_digits(out, c.minute, 2);
    buf_add_byte(out, ':');
    print_digits(out, c.second, 2);
    buf_add_byte(out, '.');
    print_digits(out, ms, 3);
    buf_add_byte(out, 'Z');
}

/* Reads exactly `digits` digits from the front of *rest. */
static bool scan_digits(struct bytes *rest, size_t digits, int max, int *out)
{
    uint64_t value;
    if (rest->len < digits || !scan_u64(bytes_sub(*rest, 0, digits), (uint64_t)max, &value))
        return false;
    *out = (int)value;
    *rest = bytes_from(*rest, digits);
    return true;
}

static bool scan_byte(struct bytes *rest, uint8_t byte)
{
    if (rest->len == 0 || ascii_lower(rest->at[0]) != ascii_lower(byte))
        return false;
    *rest = bytes_from(*rest, 1);
    return true;
}

/* Z or +hh:mm or -hh:mm, up to the end. */
static bool scan_offset(struct bytes rest, int64_t *offset_ms)
{
    if (scan_byte(&rest, 'Z')) {
        *offset_ms = 0;
        return rest.len == 0;
    }
    bool is_west = rest.len > 0 && rest.at[0] == '-';
    int hours, minutes;
    if (!scan_byte(&rest, is_west ? '-' : '+') || !scan_digits(&rest, 2, 23, &hours) ||
        !scan_byte(&rest, ':') || !scan_digits(&rest, 2, 59, &minutes))
        return false;
    *offset_ms = (hours * 60 + minutes) * (is_west ? -60000 : 60000);
    return rest.len == 0;
}

bool instant_scan(struct bytes text, int64_t *out_ms)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct calendar c;
    if (!scan_digits(&text, 4, 9999, &c.year) || !scan_byte(&text, '-') ||
        !scan_digits(&text, 2, 12, &c.month) || !scan_byte(&text, '-') ||
        !scan_digits(&text, 2, 31, &c.day) || !scan_byte(&text, 'T') ||
        !scan_digits(&text, 2, 23, &c.hour) || !scan_byte(&text, ':') ||
        !scan_digits(&text, 2, 59, &c.minute) || !scan_byte(&text, ':') ||
        !scan_digits(&text, 2, 60, &c.second))
        return false;
    bool is_leap = (c.year % 4 == 0 && c.year % 100 != 0) || c.year % 400 == 0;
    if (c.month < 1 || c.day < 1 || c.day > month_days[c.month - 1] + (c.month == 2 && is_leap))
        return false;
    int64_t fraction_ms = 0;
    if (scan_byte(&text, '.')) {
        int64_t unit = 100;
        if (text.len == 0 || !ascii_is_digit(text.at[0]))
            return false;
        for (; text.len && ascii_is_digit(text.at[0]); text = bytes_from(text, 1), unit /= 10)
            fraction_ms += (text.at[0] - '0') * unit;
    }
    int64_t offset_ms;
    if (!scan_offset(text, &offset_ms))
        return false;
    *out_ms = calendar_instant(&c) + fraction_ms - offset_ms;
    return true;
}
