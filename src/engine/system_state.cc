// SPDX-License-Identifier: Apache-2.0
#include "engine/system_state.h"

#include <charconv>
#include <fstream>
#include <sstream>

namespace gemma3n {
namespace {

namespace fs = std::filesystem;

std::string FirstLine(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<double> Number(const fs::path& path) {
  const std::string line = FirstLine(path);
  double number = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc() || line.empty()) return std::nullopt;
  return number;
}

// Calls fn(entry) for the entries of a directory whose names begin so; true where one call was.
template <class Fn>
bool AnyEntry(const fs::path& directory, const std::string& begins, const Fn& fn) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    if (entry.path().filename().string().rfind(begins, 0) == 0 && fn(entry.path())) return true;
  }
  return false;
}

}  // namespace

std::string SystemState::Strain() const {
  std::string text;
  const auto add = [&](bool holds, const char* what) {
    if (holds) text += (text.empty() ? "" : ", ") + std::string(what);
  };
  add(memory_short, "memory is short");
  add(hot, "the machine is hot");
  add(battery_low, "the battery is low");
  return text.empty() ? "more power than wanted" : text;
}

bool SystemWatch::MemoryShort() const {
  constexpr double kPercent = 10;
  const std::string line = FirstLine(root_ / "proc/pressure/memory");  // "some avg10=0.00 ..."
  const size_t at = line.find("avg10=");
  if (line.rfind("some ", 0) != 0 || at == std::string::npos) return false;
  double share = 0;
  std::from_chars(line.data() + at + 6, line.data() + line.size(), share);
  return share >= kPercent;
}

bool SystemWatch::Hot() const {
  constexpr double kNear = 5000;  // thousandths of a degree
  return AnyEntry(root_ / "sys/class/thermal", "thermal_zone", [&](const fs::path& zone) {
    const auto now = Number(zone / "temp");
    if (!now) return false;
    return AnyEntry(zone, "trip_point_", [&](const fs::path& file) {
      const std::string name = file.string();
      const size_t end = name.rfind("_type");
      if (end == std::string::npos || end + 5 != name.size()) return false;
      const std::string type = FirstLine(file);
      if (type != "passive" && type != "hot" && type != "critical") return false;
      const auto limit = Number(name.substr(0, end) + "_temp");
      return limit && *limit > 0 && *now >= *limit - kNear;
    });
  });
}

bool SystemWatch::BatteryLow() const {
  constexpr double kLowPercent = 20;
  return AnyEntry(root_ / "sys/class/power_supply", "", [&](const fs::path& supply) {
    const auto left = Number(supply / "capacity");
    return FirstLine(supply / "type") == "Battery" &&
           FirstLine(supply / "status") == "Discharging" && left && *left <= kLowPercent;
  });
}

double SystemWatch::Watts(Clock::time_point now) {
  double energy = 0;
  bool known = false;
  AnyEntry(root_ / "sys/class/powercap", "intel-rapl:", [&](const fs::path& zone) {
    const std::string name = zone.filename();
    if (name.find(':') != name.rfind(':')) return false;  // a part of another zone
    if (const auto joules = Number(zone / "energy_uj")) {
      energy += *joules;
      known = true;
    }
    return false;
  });
  const double before = energy_;
  energy_ = known ? energy : -1;
  if (!known || before < 0 || energy < before || !last_) return 0;  // counters wrap
  return (energy - before) / 1e6 / std::chrono::duration<double>(now - *last_).count();
}

const SystemState& SystemWatch::State() {
  const Clock::time_point now = Clock::now();
  if (last_ && now - *last_ < std::chrono::seconds(1)) return state_;
  state_ = {MemoryShort(), Hot(), BatteryLow(), Watts(now)};
  last_ = now;
  return state_;
}

}  // namespace gemma3n
