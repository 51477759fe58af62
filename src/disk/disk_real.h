/* The disk of this machine: system calls, nothing kept. */
#pragma once

#include "disk/disk.h"

struct disk *disk_real_new(void);
