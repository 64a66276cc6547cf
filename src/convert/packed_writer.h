// SPDX-License-Identifier: Apache-2.0
// Packed files (docs/format.md), written piece by piece: under a temporary name, renamed when
// complete.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace gemma3n {

class PackedWriter {
 public:
  struct Piece {
    std::string name;
    bool is_text = false;  // a small file of the model rather than a tensor
    DType dtype = DType::kF32;
    Shape shape;
    uint64_t bytes = 0;
  };
  // Lays out the file in the order of `pieces`. Throws Error (kResources).
  PackedWriter(const std::filesystem::path& path, const std::vector<Piece>& pieces);
  ~PackedWriter();  // removes what was not finished
  PackedWriter(const PackedWriter&) = delete;
  PackedWriter& operator=(const PackedWriter&) = delete;

  // The next bytes of the piece under way; a piece ends where all its bytes are there.
  void Write(std::span<const std::byte> bytes);
  // All pieces are written: writes their checksums and gives the file its name.
  void Finish();

  uint64_t total_bytes() const { return total_; }  // of the whole file

 private:
  struct Placed : Piece {
    uint64_t offset = 0;
    uint32_t crc32 = 0;
  };
  std::string Header() const;
  void Append(std::span<const std::byte> bytes);
  void Flush();
  void PadTo(uint64_t offset);
  void Check();

  std::filesystem::path path_, temporary_;
  std::ofstream file_;
  std::vector<std::byte> buffer_;  // written up to here, but not yet to the file
  std::vector<Placed> pieces_;
  size_t current_ = 0;
  uint64_t at_ = 0, total_ = 0;  // bytes of the file: written, and of the whole
  bool finished_ = false;
};

}  // namespace gemma3n
