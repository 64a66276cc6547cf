// SPDX-License-Identifier: Apache-2.0
// What Linux says of the machine's strain: memory (PSI), heat, battery, power.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

namespace gemma3n {

struct SystemState {
  bool memory_short = false;  // tasks waited for memory a tenth of the last ten seconds
  bool hot = false;           // within 5 degrees of a temperature at which the system slows down
  bool battery_low = false;   // discharging, a fifth or less left
  double watts = 0;           // of the processor since the last look; 0: not known
  // Which of these hold: "memory is short, battery is low".
  std::string Strain() const;
};

// Looks at most once a second; in between the last answer is given. What a system does not tell is
// not so.
class SystemWatch {
 public:
  // `root` stands before /proc and /sys; for tests.
  explicit SystemWatch(std::filesystem::path root = "/") : root_(std::move(root)) {}
  const SystemState& State();

 private:
  using Clock = std::chrono::steady_clock;
  bool MemoryShort() const;
  bool Hot() const;
  bool BatteryLow() const;
  double Watts(Clock::time_point now);

  std::filesystem::path root_;
  SystemState state_;
  std::optional<Clock::time_point> last_;
  double energy_ = -1;  // microjoules at the last look
};

}  // namespace gemma3n
