// SPDX-License-Identifier: Apache-2.0
// The most memory that a piece of work has resident, from what Linux says under /proc.
#pragma once

#include <filesystem>
#include <mutex>
#include <thread>

#include "gemma3n/benchmark.h"

namespace gemma3n {

// What a file like /proc/PID/status says: VmHWM (or VmRSS, where it is more), RssAnon, RssFile with
// RssShmem.
PeakMemory ReadProcessStatus(const std::filesystem::path& path);

// Watches this process from construction to Stop. The peak is the kernel's own; its parts are those
// of the largest sample, taken ten times a second and at both ends.
class PeakMemoryWatch {
 public:
  PeakMemoryWatch();
  PeakMemory Stop();  // once

 private:
  void Sample();

  bool exact_;  // the kernel's mark was set back, so that it tells of this work alone
  std::mutex mutex_;
  PeakMemory most_;
  std::jthread sampler_;  // last: it uses what stands above
};

}  // namespace gemma3n
