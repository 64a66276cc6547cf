// SPDX-License-Identifier: Apache-2.0
#include "base/processors.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <memory>
#include <thread>

namespace gemma3n {
namespace {

// Processors, rounded up; 0 where the group sets no quota.
int QuotaOf(const std::filesystem::path& group, bool second_version) {
  int64_t quota = 0, period = 0;
  if (second_version) {
    std::ifstream file(group / "cpu.max");  // "200000 100000" or "max 100000"
    if (!(file >> quota >> period)) return 0;
  } else {
    quota = NumberInFile(group / "cpu.cfs_quota_us").value_or(-1);  // -1: none
    period = NumberInFile(group / "cpu.cfs_period_us").value_or(0);
  }
  if (quota <= 0 || period <= 0) return 0;
  constexpr int64_t kMost = 1 << 20;
  return static_cast<int>(std::min(kMost, (quota - 1) / period + 1));
}

}  // namespace

int AllowedProcessors() {
  // The kernel refuses masks shorter than its own.
  for (int processors = CPU_SETSIZE; processors <= 1 << 16; processors *= 2) {
    const auto free = [](cpu_set_t* set) { CPU_FREE(set); };
    const std::unique_ptr<cpu_set_t, decltype(free)> set(CPU_ALLOC(static_cast<size_t>(processors)),
                                                         free);
    if (!set) break;
    const size_t bytes = CPU_ALLOC_SIZE(static_cast<size_t>(processors));
    if (sched_getaffinity(0, bytes, set.get()) == 0) {
      return std::max(1, CPU_COUNT_S(bytes, set.get()));
    }
    if (errno != EINVAL) break;
  }
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

int ProcessorQuota(const ControlGroupPlaces& places) {
  int least = 0;
  VisitControlGroups(places, "cpu", [&](const std::filesystem::path& group, bool second_version) {
    const int quota = QuotaOf(group, second_version);
    if (quota > 0 && (least == 0 || quota < least)) least = quota;
  });
  return least;
}

int UsableProcessors(const ControlGroupPlaces& places) {
  const int allowed = AllowedProcessors(), quota = ProcessorQuota(places);
  return quota == 0 ? allowed : std::min(allowed, quota);
}

}  // namespace gemma3n
