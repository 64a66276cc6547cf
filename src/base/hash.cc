// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <random>

namespace gemma3n {

uint64_t HashSeed() {
  static const uint64_t seed = [] {
    std::random_device device;
    return static_cast<uint64_t>(device()) << 32 | device();
  }();
  return seed;
}

}  // namespace gemma3n
