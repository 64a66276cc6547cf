// SPDX-License-Identifier: Apache-2.0
// One safetensors file: a length, a JSON header, then the tensors' bytes.
// Format: https://github.com/huggingface/safetensors, read strictly: no gap, no overlap, no name
// twice, nothing after the last byte.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/mapped_file.h"
#include "tensor/tensor.h"

namespace gemma3n {

class Safetensors {
 public:
  // Maps the file and reads its header. Throws Error (kModel) naming file, tensor, expected, found.
  explicit Safetensors(const std::filesystem::path& path);

  // Views into the mapping, except where the file places a tensor off its type's alignment: those
  // are copied. They live as long as this object.
  const std::map<std::string, TensorView, std::less<>>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const MappedFile& file() const { return file_; }

 private:
  void ReadHeader();

  MappedFile file_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::map<std::string, std::string> metadata_;
  std::vector<std::unique_ptr<AlignedBuffer<std::byte>>> copies_;
};

}  // namespace gemma3n
