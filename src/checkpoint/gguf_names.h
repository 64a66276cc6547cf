// SPDX-License-Identifier: Apache-2.0
// The names of GGUF files (llama.cpp's, also used by Ollama and others) and the Hugging Face names
// that are used everywhere else, each from the other.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gemma3n {

// Where a tensor of Hugging Face's whole model lies in the two files of a GGUF model.
struct GgufName {
  enum class File { kModel, kProjector };  // "mmproj" is what the second is called
  File file = File::kModel;
  std::string name;
  // GGUF stacks the matrices altup_projections.0, .1, .2 to one tensor [3, hidden, hidden], and
  // altup_unembed_projections alike: which of them this is; -1 for a tensor of its own.
  int part = -1;
  // A vector [C] that GGUF stores as [1, C, 1, 1], outermost first.
  bool spread = false;
};
// `name` is Hugging Face's, such as "model.language_model.layers.0.mlp.gate_proj.weight" or
// "lm_head.weight". Nothing where GGUF has no name for it.
std::optional<GgufName> ToGgufName(std::string_view name);

struct HuggingFaceName {
  std::string name;
  bool stacked = false;  // the number of the matrix is still '#' in `name`

  std::string Part(int64_t part) const;  // of a stack
};
// Nothing where Gemma 3n has no such tensor. The model's file and the projector's share no names.
std::optional<HuggingFaceName> FromGgufName(std::string_view name);

}  // namespace gemma3n
