#include "cli/init_look.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/instant.h"
#include "cli/port_holder.h"

#define HOST "host"

/* --- The name ----------------------------------------------------------------------------------
 */

/* Such names mean something on this network alone (RFC 2606, RFC 6762, RFC 8375; clouds). */
static bool is_known_outside(const char *name)
{
    static const char *const local[] = {".local",    ".localdomain", ".internal", ".lan",
                                        ".intranet", ".home",        ".home.arpa"};
    struct bytes text = bytes_of(name);
    if (!strchr(name, '.') || bytes_starts_nocase(text, BYTES("localhost")))
        return false;
    for (size_t i = 0; i < COUNT(local); i++)
        if (bytes_ends_nocase(text, bytes_of(local[i])))
            return false;
    return true;
}

/* The name in full that stands in hosts(5) beside the short one, as systems write it there. */
static void find_in_hosts(const char *name, char out[HOST_NAME_LIMIT + 1])
{
    char text[1024];
    FILE *file = fopen("/etc/hosts", "re");
    while (file && !out[0] && fgets(text, sizeof text, file)) {
        text[strcspn(text, "#\r\n")] = 0;
        struct bytes line = bytes_of(text), address = bytes_word(&line), first = bytes_word(&line);
        bool is_beside = false;
        for (struct bytes word = first; word.len; word = bytes_word(&line))
            is_beside |= bytes_equal_nocase(word, bytes_of(name));
        if (address.len && is_beside && first.len <= HOST_NAME_LIMIT &&
            bytes_find(first, '.') < first.len)
            snprintf(out, HOST_NAME_LIMIT + 1, "%.*s", BYTES_ARGS(first));
    }
    if (file)
        fclose(file);
}

static void look_at_name(struct init_look *look, struct findings *findings)
{
    char name[HOST_NAME_LIMIT + 1] = "", full[HOST_NAME_LIMIT + 1] = "";
    if (gethostname(name, sizeof name - 1) != 0)
        return;
    if (strchr(name, '.'))
        snprintf(full, sizeof full, "%s", name);
    else
        find_in_hosts(name, full);
    if (is_known_outside(full)) {
        snprintf(look->fqdn, sizeof look->fqdn, "%s", full);
        struct finding *good = findings_add(findings, SEVERITY_GOOD, HOST, "host-name");
        buf_addf(&good->what, "the system calls itself %s", full);
        return;
    }
    struct finding *note = findings_add(findings, SEVERITY_NOTE, HOST, "host-name");
    buf_addf(&note->what, "the system calls itself %s, which is no name that the world knows",
             full[0] ? full : name);
    buf_addf(&note->meaning, "nothing bad: the server has a name of its own in its configuration");
    buf_addf(&note->how, "gethostname, /etc/hosts");
    buf_addf(&note->remedy, "where both are to be the same: hostnamectl set-hostname NAME");
}

/* --- Addresses ---------------------------------------------------------------------------------
 */

static void add_list(struct buf *out, const struct own_addresses *addresses, bool is_for_people)
{
    size_t count = 0;
    for (size_t i = 0; i < addresses->count; i++) {
        if (is_for_people && ip_is_loopback(&addresses->list[i]))
            continue;
        buf_add(out, bytes_of(count++ ? ", " : ""));
        ip_print(out, &addresses->list[i]);
    }
}

static void look_at_addresses(struct init_look *look, const struct init_plan *plan,
                              struct findings *findings)
{
    bool has_public_ipv4 = false;
    own_addresses_add_all(&look->all);
    for (size_t i = 0; i < look->all.count; i++)
        look->has_ipv6 |= !ip_is_ipv4(&look->all.list[i]);
    look->known = plan->addresses;
    if (look->known.count == 0) {
        own_addresses_add_public(&look->known, true);
        own_addresses_add_public(&look->known, false);
    }
    for (size_t i = 0; i < look->known.count; i++)
        has_public_ipv4 |= ip_is_ipv4(&look->known.list[i]);
    look->is_behind_nat = !has_public_ipv4 && plan->addresses.count == 0;
    if (!look->is_behind_nat) {
        struct finding *good = findings_add(findings, SEVERITY_GOOD, HOST, "addresses");
        buf_addf(&good->what, "the world reaches this host by ");
        add_list(&good->what, &look->known, false);
        return;
    }
    struct finding *finding = findings_add(findings, SEVERITY_WARNING, HOST, "addresses");
    buf_addf(&finding->what, "no interface has a public IPv4 address: this host is behind a NAT");
    buf_addf(&finding->meaning,
             "what is in front of it has to pass ports %u, %u and %u on to it, "
             "with the clients' addresses as they are",
             plan->port_offset + INIT_PORT_MX, plan->port_offset + INIT_PORT_SUBMISSIONS,
             plan->port_offset + INIT_PORT_SUBMISSION);
    buf_addf(&finding->how, "the interfaces have ");
    add_list(&finding->how, &look->all, true);
    buf_addf(&finding->remedy, "publish the address of the NAT for the server's name; give it by "
                               "--address, and init prints its records");
}

/* --- The machine -------------------------------------------------------------------------------
 */

/* Certificates, signatures and DNSSEC are judged by the clock. */
static void look_at_clock(struct findings *findings)
{
    enum { DAY_S = 24 * 60 * 60 };
    struct timex clock = {.modes = 0};
    struct stat program;
    int64_t now_s = instant_now_ms() / 1000;
    int state = adjtimex(&clock);
    /* No program is newer than now. */
    if (stat("/proc/self/exe", &program) == 0 && program.st_mtime > now_s + DAY_S) {
        struct finding *finding = findings_add(findings, SEVERITY_PROBLEM, HOST, "clock");
        buf_addf(&finding->what,
                 "the clock is behind: it says a time before this program was made");
        buf_addf(&finding->meaning,
                 "certificates, DNSSEC and signatures fail, and mail bears wrong dates");
        buf_addf(&finding->remedy, "timedatectl set-ntp true");
        return;
    }
    if (state == TIME_ERROR || clock.status & STA_UNSYNC) {
        struct finding *finding = findings_add(findings, SEVERITY_WARNING, HOST, "clock");
        buf_addf(&finding->what, "nothing keeps the clock right, as far as the kernel knows");
        buf_addf(&finding->meaning, "a clock that drifts breaks certificates, DNSSEC and "
                                    "signatures; in a container the host may see to it");
        buf_addf(&finding->how, "adjtimex: not synchronised");
        buf_addf(&finding->remedy, "timedatectl set-ntp true, or install chrony");
        return;
    }
    struct finding *good = findings_add(findings, SEVERITY_GOOD, HOST, "clock");
    buf_addf(&good->what, "the clock is synchronised");
}

/* The disk below the nearest folder of the path that is there. */
static void look_at_disk(const char *path, struct findings *findings)
{
    enum { LEAST_MIB = 1024 };
    char place[PATH_MAX];
    struct statvfs disk;
    snprintf(place, sizeof place, "%s", path);
    while (statvfs(place, &disk) != 0) {
        char *slash = strrchr(place, '/');
        if (errno != ENOENT || !slash || slash == place)
            snprintf(place, sizeof place, "%s", path[0] == '/' ? "/" : ".");
        else
            *slash = 0;
    }
    uint64_t free_mib = (uint64_t)disk.f_bavail * disk.f_frsize >> 20;
    bool is_little = free_mib < LEAST_MIB;
    struct finding *finding =
        findings_add(findings, is_little ? SEVERITY_WARNING : SEVERITY_GOOD, HOST, "disk");
    buf_addf(&finding->what, "%llu MiB are free for the queue (%s)", (unsigned long long)free_mib,
             place);
    if (!is_little)
        return;
    buf_addf(&finding->meaning, "little mail fits; new mail is refused below spool.low_water");
    buf_addf(&finding->remedy, "a larger disk, or a smaller spool.low_water");
}

static void look_at_memory(struct findings *findings)
{
    enum { LEAST_MIB = 200 };
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || size <= 0 || (uint64_t)pages * (uint64_t)size >> 20 >= LEAST_MIB)
        return;
    struct finding *finding = findings_add(findings, SEVERITY_WARNING, HOST, "memory");
    buf_addf(&finding->what, "this host has less than %d MiB of memory", LEAST_MIB);
    buf_addf(&finding->meaning, "each login takes 16 MiB for a moment, as passwords are hashed so");
    buf_addf(&finding->remedy, "more memory, or few sessions: limits: {sessions: 50}");
}

void init_look_at_host(struct init_look *look, const struct init_plan *plan,
                       struct findings *findings)
{
    struct buf spool;
    *look = (struct init_look){.fqdn = "", .port25 = PORT25_UNTRIED};
    look_at_name(look, findings);
    look_at_addresses(look, plan, findings);
    look_at_clock(findings);
    buf_init(&spool, PATH_MAX);
    init_plan_add_path(plan, init_plan_places(plan).spool, &spool);
    if (!spool.overflowed)
        look_at_disk((const char *)spool.at, findings);
    buf_done(&spool);
    look_at_memory(findings);
}

/* --- Ports -------------------------------------------------------------------------------------
 */

/* Mail servers by the names of their processes and their own, with the files that show that they
 * are installed. */
static const struct {
    const char *process, *name, *stop, *installed;
} servers[] = {
    {"master", "Postfix", "systemctl disable --now postfix", "/usr/lib/postfix/sbin/master"},
    {"exim4", "Exim", "systemctl disable --now exim4", "/usr/sbin/exim4"},
    {"smtpd", "OpenSMTPD", "systemctl disable --now opensmtpd", "/usr/sbin/smtpd"},
    {"sendmail-mta", "Sendmail", "systemctl disable --now sendmail", "/usr/sbin/sendmail-mta"},
    {"postrider", "Postrider", "postrider stop", NULL},
};

static void add_stop(struct buf *remedy, struct bytes holder)
{
    for (size_t i = 0; i < COUNT(servers); i++) {
        if (!bytes_starts(holder, bytes_of(servers[i].process)))
            continue;
        buf_addf(remedy, "%s: %s", servers[i].name, servers[i].stop);
        if (strcmp(servers[i].name, "Postfix") == 0)
            buf_addf(remedy, "; before that, `postrider import postfix` tells what of its "
                             "configuration becomes what here");
        return;
    }
    buf_addf(remedy, "end that program, or have it leave the port");
}

static void look_at_port(uint16_t port, struct findings *findings)
{
    static const uint8_t zeros[4];
    struct ip any = ip_from_ipv4(zeros);
    struct buf holder;
    buf_init(&holder, 256);
    if (port_holder_find(&any, port, &holder)) {
        struct finding *finding = findings_add(findings, SEVERITY_PROBLEM, HOST, "port-taken");
        buf_addf(&finding->what, "port %u is in use, by %.*s", port, BYTES_ARGS(buf_view(&holder)));
        buf_addf(&finding->meaning, "the server does not start until it is free");
        buf_addf(&finding->how, "/proc/net/tcp");
        add_stop(&finding->remedy, buf_view(&holder));
    }
    buf_done(&holder);
}

/* From which port on everybody may listen. */
static unsigned first_free_port(void)
{
    enum { USUAL = 1024 };
    unsigned first = USUAL;
    char text[16] = "";
    uint64_t number;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    if (file && fgets(text, sizeof text, file) &&
        scan_u64(bytes_trim(bytes_of(text)), UINT16_MAX, &number))
        first = (unsigned)number;
    if (file)
        fclose(file);
    return first;
}

static void look_at_rights(const struct init_plan *plan, struct findings *findings)
{
    if (geteuid() == 0 || plan->port_offset + INIT_PORT_MX >= first_free_port())
        return;
    struct finding *finding = findings_add(findings, SEVERITY_WARNING, HOST, "low-ports");
    buf_addf(&finding->what, "ports below %u are root's to listen on", first_free_port());
    buf_addf(&finding->meaning, "started by you, the server does not get port %u",
             plan->port_offset + INIT_PORT_MX);
    buf_addf(&finding->how, "net.ipv4.ip_unprivileged_port_start");
    buf_addf(&finding->remedy, "start it as root or by systemd, or choose other ports by "
                               "--port-offset");
}

/* One that is not running now comes back with the next boot. */
static void look_at_packages(struct findings *findings)
{
    for (size_t i = 0; i < COUNT(servers); i++) {
        if (!servers[i].installed || access(servers[i].installed, F_OK) != 0)
            continue;
        struct finding *finding = findings_add(findings, SEVERITY_WARNING, HOST, "other-server");
        buf_addf(&finding->what, "%s is installed here, too", servers[i].name);
        buf_addf(&finding->meaning,
                 "it takes the ports again when it is started, such as by a boot");
        buf_addf(&finding->how, "%s is there", servers[i].installed);
        buf_addf(&finding->remedy, "%s", servers[i].stop);
    }
}

void init_look_at_ports(const struct init_plan *plan, struct findings *findings)
{
    static const unsigned ports[] = {INIT_PORT_MX, INIT_PORT_SUBMISSIONS, INIT_PORT_SUBMISSION};
    for (size_t i = 0; i < COUNT(ports); i++)
        look_at_port((uint16_t)(plan->port_offset + ports[i]), findings);
    look_at_rights(plan, findings);
    look_at_packages(findings);
}
