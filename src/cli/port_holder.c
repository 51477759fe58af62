#include "cli/port_holder.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    LISTENS = 0x0A, /* TCP_LISTEN */
    TABLE_LIMIT = 16 << 20,
};

/* --- The kernel's table ----------------------------------------------------------------------- */

static bool scan_hex(struct bytes text, uint32_t *out)
{
    uint32_t number = 0;
    if (text.len == 0 || text.len > 8)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = ascii_lower(text.at[i]);
        if (!ascii_is_digit(byte) && !(byte >= 'a' && byte <= 'f'))
            return false;
        number = number << 4 | (uint32_t)(ascii_is_digit(byte) ? byte - '0' : byte - 'a' + 10);
    }
    *out = number;
    return true;
}

/* An address is one number of 32 bits, or four, each of this machine's byte order. */
static bool scan_address(struct bytes text, struct ip *out)
{
    uint8_t bytes[16];
    bool is_ipv4 = text.len == 8;
    if (!is_ipv4 && text.len != 32)
        return false;
    for (size_t i = 0; i < text.len / 8; i++) {
        uint32_t number;
        if (!scan_hex(bytes_sub(text, 8 * i, 8), &number))
            return false;
        memcpy(bytes + 4 * i, &number, sizeof number);
    }
    *out = is_ipv4 ? ip_from_ipv4(bytes) : ip_from_ipv6(bytes);
    return true;
}

static bool is_any(const struct ip *ip)
{
    static const uint8_t none[16];
    struct ip v4 = ip_from_ipv4(none), v6 = ip_from_ipv6(none);
    return memcmp(ip, &v4, sizeof v4) == 0 || memcmp(ip, &v6, sizeof v6) == 0;
}

uint64_t port_holder_inode(struct bytes table, const struct ip *ip, uint16_t port)
{
    enum { NUMBER, LOCAL, REMOTE, STATE, QUEUES, TIMER, RETRIES, USER, TIMEOUT, INODE, WORDS };
    struct bytes line, words[WORDS], address, digits;
    while (table.len) {
        struct ip local;
        uint32_t number, state;
        uint64_t inode;
        bytes_cut(table, '\n', &line, &table);
        for (size_t i = 0; i < WORDS; i++)
            words[i] = bytes_word(&line);
        bytes_cut(words[LOCAL], ':', &address, &digits);
        if (scan_address(address, &local) && scan_hex(digits, &number) &&
            scan_hex(words[STATE], &state) && scan_u64(words[INODE], INT64_MAX, &inode) &&
            state == LISTENS && number == port &&
            (is_any(&local) || is_any(ip) || memcmp(&local, ip, sizeof local) == 0))
            return inode;
    }
    return 0;
}

/* --- The process ------------------------------------------------------------------------------ */

static uint64_t inode_of(const char *path, const struct ip *ip, uint16_t port)
{
    enum { CHUNK = 65536 };
    struct buf text;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : 1;
    buf_init(&text, TABLE_LIMIT);
    while (got > 0 && text.len < TABLE_LIMIT - CHUNK) {
        got = read(fd, buf_reserve(&text, CHUNK), CHUNK);
        if (got > 0)
            buf_grow(&text, (size_t)got);
    }
    if (fd >= 0)
        close(fd);
    uint64_t inode = port_holder_inode(buf_view(&text), ip, port);
    buf_done(&text);
    return inode;
}

static bool holds(const char *pid, const char *wanted)
{
    char path[PATH_MAX], link[64];
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *folder = opendir(path);
    bool is_found = false;
    for (const struct dirent *entry; folder && !is_found && (entry = readdir(folder));) {
        ssize_t len = readlinkat(dirfd(folder), entry->d_name, link, sizeof link - 1);
        link[len > 0 ? len : 0] = 0;
        is_found = strcmp(link, wanted) == 0;
    }
    if (folder)
        closedir(folder);
    return is_found;
}

static void add_name(struct buf *out, const char *pid)
{
    char path[PATH_MAX], name[64] = "";
    snprintf(path, sizeof path, "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file && fgets(name, sizeof name, file))
        name[strcspn(name, "\n")] = 0;
    if (file)
        fclose(file);
    buf_addf(out, "%s (process %s)", name[0] ? name : "a program", pid);
}

bool port_holder_find(const struct ip *ip, uint16_t port, struct buf *out)
{
    char wanted[64];
    bool is_found = false;
    uint64_t inode = inode_of("/proc/self/net/tcp", ip, port);
    /* A socket of IPv6 at all addresses mostly has those of IPv4, too. */
    if (!inode)
        inode = inode_of("/proc/self/net/tcp6", ip, port);
    if (!inode)
        return false;
    snprintf(wanted, sizeof wanted, "socket:[%llu]", (unsigned long long)inode);
    DIR *folder = opendir("/proc");
    for (const struct dirent *entry; folder && !is_found && (entry = readdir(folder));) {
        is_found = ascii_is_digit((uint8_t)entry->d_name[0]) && holds(entry->d_name, wanted);
        if (is_found)
            add_name(out, entry->d_name);
    }
    if (folder)
        closedir(folder);
    if (!is_found)
        buf_add(out, BYTES("another program"));
    return true;
}
