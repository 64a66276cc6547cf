// SPDX-License-Identifier: Apache-2.0
// How many processors this process may use.
#pragma once

#include "base/control_groups.h"

namespace gemma3n {

// Those that the scheduler may put it on (its affinity mask), 1 or more.
int AllowedProcessors();

// The processors' worth of time that its control groups grant, rounded up: the least of cpu.max
// (version 2) and cpu.cfs_quota_us (version 1) from our group up to the top. 0: no quota.
int ProcessorQuota(const ControlGroupPlaces& places = {});

// As many threads as can run at once: no more than are allowed, nor than the quota pays for.
int UsableProcessors(const ControlGroupPlaces& places = {});

}  // namespace gemma3n
