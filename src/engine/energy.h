// SPDX-License-Identifier: Apache-2.0
// What the processor packages take, by the counters that the system shows (RAPL).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace gemma3n {

class EnergyMeter {
 public:
  // Of the packages that may be read below `place`; often none, where only root may.
  explicit EnergyMeter(const std::filesystem::path& place = "/sys/class/powercap");
  // Joules from `Begin` on; nullopt where nothing can be read.
  void Begin();
  std::optional<double> Joules() const;

 private:
  struct Package {
    std::filesystem::path counter;
    int64_t range = 0;  // micro-joules at which it begins anew
    int64_t begin = -1;
  };
  std::vector<Package> packages_;
};

}  // namespace gemma3n
