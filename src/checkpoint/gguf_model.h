// SPDX-License-Identifier: Apache-2.0
// A model out of GGUF files, seen as a Hugging Face directory: tensors under Hugging Face's names
// and with its shapes, and the JSON files, which are written here from the metadata.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/gguf.h"
#include "tensor/tensor.h"

namespace gemma3n {

class GgufModel {
 public:
  // `projector` holds the encoders (mmproj); empty where the model has none or holds them itself.
  // Throws Error (kModel) naming file, key or tensor, expected and found.
  GgufModel(const std::filesystem::path& model, const std::filesystem::path& projector);

  struct Tensor {
    std::string name;  // Hugging Face's; the file's own where Gemma 3n has no such tensor
    TensorView view;
    const MappedFile* file;
  };
  const std::vector<Tensor>& tensors() const { return tensors_; }
  std::vector<const MappedFile*> files() const;

  // "config.json", "tokenizer.json" and the like; nothing where there is nothing to say. The
  // tokenizer's, which is long, is written anew each time it is asked for.
  std::optional<std::string> Text(const std::string& file_name) const;

  // "architecture gemma3n, GGUF version 3" and such, a line each.
  std::vector<std::string> Facts() const;

 private:
  void AddTensors(const Gguf& gguf);

  Gguf model_;
  std::unique_ptr<Gguf> projector_;
  std::vector<Tensor> tensors_;
  std::map<std::string, std::string> texts_;  // but the tokenizer's
};

}  // namespace gemma3n
