// SPDX-License-Identifier: Apache-2.0
// Safetensors files, written tensor by tensor: under a temporary name, renamed when complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace gemma3n {

struct PlannedTensor {
  std::string name;
  DType dtype;
  Shape shape;
  uint64_t bytes() const { return static_cast<uint64_t>(shape.NumElements()) * ElementSize(dtype); }
};

class SafetensorsWriter {
 public:
  // Writes the header. Throws Error (kResources).
  SafetensorsWriter(const std::filesystem::path& path, const std::vector<PlannedTensor>& tensors);
  ~SafetensorsWriter();  // removes what was not finished
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  // The next bytes of the tensors' data, in the planned order.
  void Write(std::span<const std::byte> bytes);
  // All data is written: gives the file its name.
  void Finish();

 private:
  void Check();

  std::filesystem::path path_, temporary_;
  std::ofstream file_;
  uint64_t missing_ = 0;  // bytes still to come
  bool finished_ = false;
};

}  // namespace gemma3n
