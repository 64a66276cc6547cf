// SPDX-License-Identifier: Apache-2.0
// How long work has taken, for Timings.
#pragma once

#include <chrono>

namespace gemma3n {

inline double MillisecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

}  // namespace gemma3n
