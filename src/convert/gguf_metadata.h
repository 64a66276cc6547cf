// SPDX-License-Identifier: Apache-2.0
// What a GGUF file says of a model besides its tensors, under the keys that llama.cpp reads.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "convert/gguf_writer.h"
#include "convert/tensor_list.h"
#include "model/config.h"

namespace gemma3n {

// What general.file_type says most tensors are.
enum class GgufFileType { kF16 = 1, kQ40 = 2, kQ80 = 7 };

// The text model's file: sizes, patterns, vocabulary, chat template. Throws Error (kModel). Adds to
// `notes` what a user should know.
GgufMetadata ModelMetadata(const Checkpoint& checkpoint, const ModelConfig& config,
                           GgufFileType type, std::vector<std::string>& notes);

// The file of the encoders ("mmproj"). `parts` says which there are. Throws Error (kModel).
GgufMetadata ProjectorMetadata(const Checkpoint& checkpoint, const ModelConfig& config,
                               const ModelParts& parts);

// In which of its sizes a model differs from those that llama.cpp has built in: one short phrase
// each, empty where it will load. Other programs, and this one, go by the file.
std::vector<std::string> DeparturesFromLlamaCpp(const TextConfig& text);

}  // namespace gemma3n
