// SPDX-License-Identifier: Apache-2.0
// Every tensor that a configuration asks for, by its Hugging Face name.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
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

// What a checkpoint consists of.
struct ModelParts {
  std::string text_prefix;  // where the text model's names begin
  bool vision = false, audio = false;
  bool head = false;  // lm_head.weight

  // As a checkpoint is written by this config.json: encoders that it states.
  static ModelParts Stated(const JsonValue& config);
  // As the files have it. A checkpoint of the text model alone may carry the whole model's
  // configuration; one without a statement about an encoder may have it all the same; and a head
  // may be stored where it is tied.
  static ModelParts Of(const Checkpoint& checkpoint);
};

// In no particular order. `config` is a config.json. Throws Error (kModel).
std::vector<TensorEntry> ListTensors(const JsonValue& config, const ModelParts& parts);

}  // namespace gemma3n
