#include "mail/precis.h"

#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

enum string_class { IDENTIFIER, FREEFORM };

/* What a code point is to a class (RFC 8264, 8). */
enum standing { ALLOWED, FREEFORM_ONLY, CONTEXTUAL, REFUSED };

/* RFC 8264, 9.6: exceptions. */
static bool find_exception(ucs4_t point, enum standing *out)
{
    static const struct {
        ucs4_t first, last;
        enum standing standing;
    } exceptions[] = {
        {0x00b7, 0x00b7, CONTEXTUAL}, {0x00df, 0x00df, ALLOWED},    {0x0375, 0x0375, CONTEXTUAL},
        {0x03c2, 0x03c2, ALLOWED},    {0x05f3, 0x05f4, CONTEXTUAL}, {0x0640, 0x0640, REFUSED},
        {0x0660, 0x0669, CONTEXTUAL}, {0x06f0, 0x06f9, CONTEXTUAL}, {0x06fd, 0x06fe, ALLOWED},
        {0x07fa, 0x07fa, REFUSED},    {0x0f0b, 0x0f0b, ALLOWED},    {0x200c, 0x200d, CONTEXTUAL},
        {0x3007, 0x3007, ALLOWED},    {0x302e, 0x302f, REFUSED},    {0x3031, 0x3035, REFUSED},
        {0x303b, 0x303b, REFUSED},    {0x30fb, 0x30fb, CONTEXTUAL},
    };
    for (size_t i = 0; i < COUNT(exceptions); i++)
        if (point >= exceptions[i].first && point <= exceptions[i].last) {
            *out = exceptions[i].standing;
            return true;
        }
    return false;
}

/* Old Hangul Jamo (RFC 8264, 9.9): the conjoining ones. */
static bool is_jamo(ucs4_t point)
{
    return (point >= 0x1100 && point <= 0x11ff) || (point >= 0xa960 && point <= 0xa97c) ||
           (point >= 0xd7b0 && point <= 0xd7fb);
}

/* RFC 8264, 9.17: another character of the same meaning exists. */
static bool has_compatible(ucs4_t point)
{
    ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
    int tag;
    return uc_decomposition(point, &tag, parts) >= 0 && tag != UC_DECOMP_CANONICAL;
}

static bool is_letter_or_digit(ucs4_t point)
{
    return uc_is_general_category_withtable(point, UC_CATEGORY_MASK_Ll | UC_CATEGORY_MASK_Lu |
                                                       UC_CATEGORY_MASK_Lo | UC_CATEGORY_MASK_Nd |
                                                       UC_CATEGORY_MASK_Lm | UC_CATEGORY_MASK_Mn |
                                                       UC_CATEGORY_MASK_Mc);
}

/* Titlecase and other numbers, spaces, symbols and punctuation. */
static bool is_freeform(ucs4_t point)
{
    return uc_is_general_category_withtable(point, UC_CATEGORY_MASK_Lt | UC_CATEGORY_MASK_Nl |
                                                       UC_CATEGORY_MASK_No | UC_CATEGORY_MASK_Me |
                                                       UC_CATEGORY_MASK_Zs | UC_CATEGORY_MASK_S |
                                                       UC_CATEGORY_MASK_P);
}

/* The order of the tests is that of RFC 8264, 8. */
static enum standing judge(ucs4_t point)
{
    enum standing standing;
    if (find_exception(point, &standing))
        return standing;
    if (uc_is_general_category_withtable(point, UC_CATEGORY_MASK_Cn))
        return REFUSED;
    if (point > ' ' && point < 127)
        return ALLOWED;
    if (is_jamo(point) || uc_is_property_default_ignorable_code_point(point) ||
        uc_is_property_not_a_character(point) ||
        uc_is_general_category_withtable(point, UC_CATEGORY_MASK_Cc))
        return REFUSED;
    if (has_compatible(point))
        return FREEFORM_ONLY;
    if (is_letter_or_digit(point))
        return ALLOWED;
    return is_freeform(point) ? FREEFORM_ONLY : REFUSED;
}

static bool is_of_class(struct bytes text, enum string_class class)
{
    for (size_t at = 0; at < text.len;) {
        ucs4_t point;
        int len = u8_mbtoucr(&point, text.at + at, text.len - at);
        if (len <= 0)
            return false;
        enum standing standing = judge(point);
        if (standing == REFUSED || (class == IDENTIFIER && standing != ALLOWED))
            return false;
        at += (size_t)len;
    }
    return true;
}

/* Spaces that are not ASCII's to that one (RFC 8265, 4.2.2), or wide and narrow forms to the
 * ordinary (3.3.2), as the class is. */
static ucs4_t map_point(ucs4_t point, enum string_class class)
{
    ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
    int tag;
    if (class == FREEFORM)
        return uc_is_general_category_withtable(point, UC_CATEGORY_MASK_Zs) ? ' ' : point;
    if (uc_decomposition(point, &tag, parts) == 1 &&
        (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW))
        return parts[0];
    return point;
}

static void map(struct buf *out, struct bytes text, enum string_class class)
{
    for (size_t at = 0; at < text.len;) {
        ucs4_t point;
        uint8_t bytes[6];
        at += (size_t)u8_mbtouc(&point, text.at + at, text.len - at);
        int len = u8_uctomb(bytes, map_point(point, class), sizeof bytes);
        if (len > 0)
            buf_add(out, (struct bytes){bytes, (size_t)len});
    }
}

/* Wipes what was a password, then frees it. */
static void forget(uint8_t *at, size_t len)
{
    volatile uint8_t *wiped = at;
    for (size_t i = 0; i < len; i++)
        wiped[i] = 0;
    free(at);
}

static bool enforce(struct buf *out, struct bytes text, enum string_class class)
{
    if (!text.len || text.len > PRECIS_LIMIT || !bytes_is_utf8(text))
        return false;
    /* What is mapped is never longer, as UTF-8, than three times itself. */
    struct buf mapped;
    buf_init(&mapped, 3 * PRECIS_LIMIT);
    (void)buf_reserve(&mapped, 3 * PRECIS_LIMIT);
    map(&mapped, text, class);
    size_t len = 0;
    uint8_t *form = class == IDENTIFIER
                        ? u8_tolower(mapped.at, mapped.len, NULL, UNINORM_NFC, NULL, &len)
                        : u8_normalize(UNINORM_NFC, mapped.at, mapped.len, NULL, &len);
    forget(mapped.at, mapped.len);
    struct bytes normal = {form, form ? len : 0};
    bool is_good = normal.len && normal.len <= PRECIS_LIMIT && is_of_class(normal, class);
    if (is_good)
        buf_add(out, normal);
    forget(form, normal.len);
    return is_good && !out->overflowed;
}

bool precis_password(struct buf *out, struct bytes text)
{
    return enforce(out, text, FREEFORM);
}

bool precis_username(struct buf *out, struct bytes text)
{
    return enforce(out, text, IDENTIFIER);
}
