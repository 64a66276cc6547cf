// SPDX-License-Identifier: Apache-2.0
// Every tensor that a configuration asks for, by its Hugging Face name.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/json_value.h"
#include "tensor/shape.h"

namespace gemma3n {

struct TensorEntry {
  enum class Need {
    kRequired,
    kOptional,  // may be absent: the stem's bias
    kDead,      // may be present, read by nobody: keys and values of sharing layers
  };
  std::string name;
  Shape shape;
  Need need = Need::kRequired;
};

// In no particular order. `config` is a config.json; text-only configurations list text alone.
// Throws Error (kModel).
std::vector<TensorEntry> ListTensors(const JsonValue& config);

}  // namespace gemma3n
