// SPDX-License-Identifier: Apache-2.0
// Random weights that keep activations sane: the same bits on every machine for the same seed and
// name, whichever part of a tensor is asked for.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "tensor/shape.h"

namespace gemma3n {

class RandomWeights {
 public:
  // How the values of a tensor are spread follows from its name and shape.
  RandomWeights(uint64_t seed, const std::string& name, const Shape& shape);
  // Elements [first, first + out.size()).
  void Fill(uint64_t first, std::span<float> out) const;

 private:
  uint64_t key_;
  double mean_, scale_;  // value = mean + scale * (an integer of variance 65536^2 / 3)
};

}  // namespace gemma3n
