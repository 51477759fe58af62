/* A disk in memory that fails as real ones do, under a seed: for tests.
 *
 * It keeps what the programs see (the page cache) apart from what would be there after a power
 * loss. A write that was not synced is then kept, lost, or torn: cut at any byte, or each of its
 * sectors kept or lost for itself; independently of every other, so that writes reorder. Names
 * made, renamed or removed may be lost until their folder is synced. After a sync that failed,
 * some of what it covered is never written, though reads still show it and later syncs succeed.
 *
 * Does not simulate: slow disks, bits that rot, threads. */
#pragma once

#include "disk/disk.h"

struct disk_sim_faults {
    unsigned write_permille, sync_permille, read_permille; /* how often each fails with EIO */
    uint64_t capacity;   /* bytes of all files together; 0: no limit */
    uint64_t crash_at;   /* the machine goes down in this operation (from 1); 0: never */
    bool has_lying_sync; /* syncs say yes and do nothing */
};

struct disk *disk_sim_new(uint64_t seed);
void disk_sim_set(struct disk *disk, const struct disk_sim_faults *faults);
/* Operations so far that change or sync something: each is a place to crash at. */
uint64_t disk_sim_operations(const struct disk *disk);
/* The machine goes down now, between two operations. */
void disk_sim_crash(struct disk *disk);
/* Has it crashed? Then every call fails until the restart. */
bool disk_sim_is_down(const struct disk *disk);

enum disk_sim_crash {
    DISK_SIM_KILL, /* the process ended, the page cache lives on */
    DISK_SIM_POWER /* only what was durable, and by chance some of the rest, is there */
};
/* Up again, with the operations counted from 0. All files must be closed. */
void disk_sim_restart(struct disk *disk, enum disk_sim_crash crash);
