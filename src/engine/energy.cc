// SPDX-License-Identifier: Apache-2.0
#include "engine/energy.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace gemma3n {
namespace {

// -1 where it cannot be read.
int64_t NumberIn(const std::filesystem::path& path) {
  std::ifstream file(path);
  int64_t number = -1;
  return file >> number ? number : -1;
}

// "intel-rapl:0" is a package (also AMD's), "intel-rapl:0:0" a part of it.
bool IsPackage(const std::string& name) {
  return name.starts_with("intel-rapl:") && std::count(name.begin(), name.end(), ':') == 1;
}

}  // namespace

EnergyMeter::EnergyMeter(const std::filesystem::path& place) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(place, ignored)) {
    if (!IsPackage(entry.path().filename())) continue;
    Package package{entry.path() / "energy_uj", NumberIn(entry.path() / "max_energy_range_uj")};
    if (NumberIn(package.counter) >= 0) packages_.push_back(package);
  }
}

void EnergyMeter::Begin() {
  for (Package& package : packages_) package.begin = NumberIn(package.counter);
}

std::optional<double> EnergyMeter::Joules() const {
  if (packages_.empty()) return std::nullopt;
  double joules = 0;
  for (const Package& package : packages_) {
    const int64_t now = NumberIn(package.counter);
    if (now < 0 || package.begin < 0) return std::nullopt;
    const int64_t spent = now - package.begin;
    joules += static_cast<double>(spent >= 0 ? spent : spent + package.range) * 1e-6;
  }
  return joules;
}

}  // namespace gemma3n
