// SPDX-License-Identifier: Apache-2.0
// GGUF files (checkpoint/gguf.h), written tensor by tensor: under a temporary name, renamed when
// complete.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/gguf.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace gemma3n {

// Keys and values, as the file's bytes have them; in the order in which they were added.
class GgufMetadata {
 public:
  void AddUint(const std::string& key, uint64_t value);  // below 2^32
  void AddInt(const std::string& key, int32_t value);
  void AddFloat(const std::string& key, double value);
  void AddBool(const std::string& key, bool value);
  void AddText(const std::string& key, const std::string& value);
  void AddUints(const std::string& key, const std::vector<int64_t>& values);  // in [0, 2^32)
  void AddInts(const std::string& key, const std::vector<int32_t>& values);
  void AddFloats(const std::string& key, const std::vector<float>& values);
  void AddBools(const std::string& key, const std::vector<bool>& values);
  void AddTexts(const std::string& key, const std::vector<std::string>& values);

  // Another file's, as it has it.
  void AddCopy(const std::string& key, const GgufValue& value);

  uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void Begin(const std::string& key, uint32_t type);
  void BeginArray(const std::string& key, uint32_t type, uint64_t size);

  uint64_t count_ = 0;
  std::string bytes_;
};

class GgufWriter {
 public:
  struct Tensor {
    std::string name;
    DType dtype = DType::kF32;
    Shape shape;  // outermost dimension first, as everywhere here; the file has it the other way
    uint64_t bytes = 0;
  };
  // Lays out the file in the order of `tensors`. Throws Error (kResources).
  GgufWriter(const std::filesystem::path& path, GgufMetadata metadata,
             const std::vector<Tensor>& tensors);
  ~GgufWriter();  // removes what was not finished
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;

  // The next bytes of the tensor under way; a tensor ends where all its bytes are there.
  void Write(std::span<const std::byte> bytes);
  // Throws away what was written of the tensor under way, which is not complete: it begins anew, in
  // another type of the same size.
  void BeginAnew(DType dtype);
  // All tensors are written: writes the header and gives the file its name.
  void Finish();

  uint64_t total_bytes() const { return total_; }  // of the whole file

 private:
  struct Placed : Tensor {
    uint64_t offset = 0;  // from the first byte of tensors
  };
  std::string Header() const;
  void Check();

  std::filesystem::path path_, temporary_;
  std::ofstream file_;
  GgufMetadata metadata_;
  std::vector<Placed> tensors_;
  size_t current_ = 0;
  uint64_t begin_ = 0;           // byte of the file where the tensors begin
  uint64_t at_ = 0, total_ = 0;  // bytes: written from there on; of the whole file
  bool finished_ = false;
};

}  // namespace gemma3n
