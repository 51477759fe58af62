#include "facts/hosts.h"

#include <arpa/inet.h>
#include <string.h>

enum { ADDRESS_LIMIT = 16 }; /* of one name and family; more are passed over */

struct found {
    uint8_t addresses[ADDRESS_LIMIT][16];
    size_t count;
    bool is_named; /* by a line of either family */
};

static struct bytes without_dot(struct bytes name)
{
    if (name.len && name.at[name.len - 1] == '.')
        name.len--;
    return name;
}

static bool has_name(struct bytes names, struct bytes name)
{
    for (struct bytes word; (word = bytes_word(&names)).len;)
        if (bytes_equal_nocase(without_dot(word), name))
            return true;
    return false;
}

/* The family of the address; 0: it is none. */
static int scan_address(struct bytes word, uint8_t address[16])
{
    char text[INET6_ADDRSTRLEN];
    if (word.len >= sizeof text || memchr(word.at, 0, word.len))
        return 0;
    memcpy(text, word.at, word.len);
    text[word.len] = 0;
    return inet_pton(AF_INET, text, address)    ? AF_INET
           : inet_pton(AF_INET6, text, address) ? AF_INET6
                                                : 0;
}

static void take_line(struct found *found, struct bytes line, int family, struct bytes name)
{
    uint8_t address[16];
    line = bytes_sub(line, 0, bytes_find(line, '#'));
    struct bytes first = bytes_word(&line);
    if (first.len == 0 || !has_name(line, name))
        return;
    int got = scan_address(first, address);
    if (got == 0)
        return;
    found->is_named = true;
    if (got == family && found->count < ADDRESS_LIMIT)
        memcpy(found->addresses[found->count++], address, sizeof address);
}

bool hosts_answer(struct bytes text, struct facts *facts, enum fact_type type, struct bytes name)
{
    if (type != FACT_A && type != FACT_AAAA)
        return false;
    int family = type == FACT_A ? AF_INET : AF_INET6;
    struct found found = {.count = 0};
    name = without_dot(name);
    while (text.len) {
        struct bytes line;
        bytes_cut(text, '\n', &line, &text);
        take_line(&found, line, family, name);
    }
    if (!found.is_named)
        return false;
    struct answer_record records[ADDRESS_LIMIT];
    memset(records, 0, sizeof records);
    for (size_t i = 0; i < found.count; i++)
        records[i].data = (struct bytes){found.addresses[i], type == FACT_A ? 4 : 16};
    struct answer answer = {.status = found.count ? ANSWER_FOUND : ANSWER_NODATA,
                            .records = records,
                            .count = found.count};
    facts_answer(facts, type, name, &answer);
    return true;
}
