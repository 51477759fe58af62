#include "smtp/command.h"

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

struct command_line command_cut(struct bytes line)
{
    size_t end = 0;
    while (end < line.len && !is_space(line.at[end]))
        end++;
    /* RFC 5321, 4.1.1: trailing white space is tolerated. */
    return (struct command_line){bytes_sub(line, 0, end), bytes_trim(bytes_from(line, end))};
}

bool command_path_keyword(struct bytes *argument, struct bytes keyword)
{
    if (!bytes_starts_nocase(*argument, keyword))
        return false;
    struct bytes rest = bytes_from(*argument, keyword.len);
    while (rest.len && rest.at[0] == ' ')
        rest = bytes_from(rest, 1);
    *argument = rest;
    return true;
}

static bool keyword_is_valid(struct bytes keyword)
{
    for (size_t i = 0; i < keyword.len; i++)
        if (!ascii_is_alpha(keyword.at[i]) && !ascii_is_digit(keyword.at[i]) &&
            (keyword.at[i] != '-' || i == 0))
            return false;
    return keyword.len > 0;
}

static bool value_is_valid(struct bytes value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] <= ' ' || value.at[i] == '=' || value.at[i] == 127)
            return false;
    return value.len > 0;
}

enum parameter_status parameter_next(struct bytes *rest, struct parameter *out)
{
    struct bytes text = *rest;
    if (text.len && text.at[0] != ' ')
        return PARAMETER_BAD;
    while (text.len && text.at[0] == ' ')
        text = bytes_from(text, 1);
    if (text.len == 0)
        return PARAMETER_NONE;
    struct bytes item = bytes_sub(text, 0, bytes_find(text, ' '));
    struct parameter parameter;
    parameter.has_value = bytes_cut(item, '=', &parameter.keyword, &parameter.value);
    if (!keyword_is_valid(parameter.keyword) ||
        (parameter.has_value && !value_is_valid(parameter.value)))
        return PARAMETER_BAD;
    *out = parameter;
    *rest = bytes_from(text, item.len);
    return PARAMETER_OK;
}
