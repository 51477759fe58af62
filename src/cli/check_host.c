/* The system that the server runs on: clock, limits, protections. */
#include <errno.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/instant.h"
#include "cli/check.h"

#define AREA "host"

/* A session has its socket; each may have a file and a connection to the keeper for a while. */
enum { FILES_BESIDE = 1024, LEAST_FILES = 1024 };

static void check_files_limit(struct check *check)
{
    struct rlimit limit;
    uint64_t wanted = check->config->limits.sessions + FILES_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_max >= wanted) {
        struct finding *good = findings_add(check->findings, SEVERITY_GOOD, AREA, "open-files");
        buf_addf(&good->what, "a process may open %llu files, enough for limits.sessions (%zu)",
                 (unsigned long long)limit.rlim_max, check->config->limits.sessions);
        return;
    }
    struct finding *finding = findings_add(
        check->findings, limit.rlim_max < LEAST_FILES ? SEVERITY_WARNING : SEVERITY_NOTE, AREA,
        "open-files");
    buf_addf(&finding->what, "a process may open %llu files, and limits.sessions is %zu",
             (unsigned long long)limit.rlim_max, check->config->limits.sessions);
    buf_addf(&finding->meaning, "connections beyond are turned away though they are allowed");
    buf_addf(&finding->how, "getrlimit, for a process started from here");
    buf_addf(&finding->remedy,
             "LimitNOFILE=%llu in the systemd unit (or ulimit -n), or a lower "
             "limits.sessions",
             (unsigned long long)wanted);
}

/* Dates that are wrong make signatures and certificates wrong. */
static void check_clock(struct check *check)
{
    enum { YEAR_2024_S = 1704067200 };
    struct timex clock = {.modes = 0};
    int state = adjtimex(&clock);
    if (instant_now_ms() / 1000 < YEAR_2024_S) {
        struct finding *finding = findings_add(check->findings, SEVERITY_PROBLEM, AREA, "clock");
        buf_addf(&finding->what, "the clock is years behind");
        buf_addf(&finding->meaning,
                 "certificates and signatures are judged by it, and mail carries "
                 "its dates");
        buf_addf(&finding->remedy, "timedatectl set-ntp true");
    } else if (state == TIME_ERROR || clock.status & STA_UNSYNC) {
        struct finding *finding = findings_add(check->findings, SEVERITY_NOTE, AREA, "clock");
        buf_addf(&finding->what, "nothing keeps the clock right, as far as the kernel knows");
        buf_addf(&finding->meaning,
                 "in a virtual machine or a container the host may do it; a wrong "
                 "clock makes certificates and signatures wrong");
        buf_addf(&finding->how, "adjtimex: not synchronised");
        buf_addf(&finding->remedy, "timedatectl set-ntp true, or install chrony");
    } else {
        struct finding *good = findings_add(check->findings, SEVERITY_GOOD, AREA, "clock");
        buf_addf(&good->what, "the clock is synchronised");
    }
}

static void check_protections(struct check *check)
{
    enum { ABI_WITH_RENAMES = 2 };
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi >= ABI_WITH_RENAMES) {
        struct finding *good = findings_add(check->findings, SEVERITY_GOOD, AREA, "landlock");
        buf_addf(&good->what, "the kernel confines each process to its own folders (Landlock)");
    } else {
        struct finding *finding = findings_add(check->findings, SEVERITY_NOTE, AREA, "landlock");
        buf_addf(&finding->what, "the kernel does not confine processes to their folders");
        buf_addf(&finding->meaning,
                 "a process that was broken into would reach more than it needs");
        buf_addf(&finding->how, "Landlock: %s", abi < 0 ? strerror(errno) : "version 1");
        buf_addf(&finding->remedy, "Linux 5.19 or later, with lsm=landlock,… on its command line");
    }
}

/* Without `user:` the server is whoever starts it: systemd as a user, mostly. Whose the spool is
 * shows who that was. */
static void check_root(struct check *check)
{
    struct stat status;
    if (check->config->user || geteuid() != 0 || stat(check->config->spool.path, &status) != 0 ||
        status.st_uid != 0)
        return;
    struct finding *finding = findings_add(check->findings, SEVERITY_WARNING, AREA, "root");
    buf_addf(&finding->what, "%s: no user: started as root, all processes stay root",
             check->config_path);
    buf_addf(&finding->meaning, "a process that was broken into would own the machine");
    buf_addf(&finding->how, "%s belongs to root", check->config->spool.path);
    buf_addf(
        &finding->remedy,
        "useradd --system postrider; user: postrider in the configuration; chown -R postrider: "
        "%s; then postrider stop, and serve",
        check->config->spool.path);
}

void check_host(struct check *check)
{
    check_clock(check);
    check_files_limit(check);
    check_protections(check);
    check_root(check);
}
