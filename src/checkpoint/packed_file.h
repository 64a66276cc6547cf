// SPDX-License-Identifier: Apache-2.0
// A packed file: a whole model (tensors, tokenizer, template, configuration) in one file, laid out
// to be mapped and read as it is. docs/format.md describes it byte by byte.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "checkpoint/mapped_file.h"
#include "tensor/tensor.h"

namespace gemma3n {

class PackedFile {
 public:
  static constexpr char kMagic[] = "g3npack1";  // the first 8 bytes
  static constexpr uint64_t kAlignment = 64;    // of every tensor's first byte

  // Maps the file and reads its header. Throws Error (kModel) naming file, tensor, expected, found.
  explicit PackedFile(const std::filesystem::path& path);

  // Whether the file begins as a packed file does; false also for what cannot be read.
  static bool Recognizes(const std::filesystem::path& path);

  const std::map<std::string, TensorView, std::less<>>& tensors() const { return tensors_; }
  // The model's small files by their names, such as "config.json".
  const std::map<std::string, std::string_view, std::less<>>& texts() const { return texts_; }
  const MappedFile& file() const { return file_; }

  // The names of tensors and texts whose bytes do not have the checksum that the header states.
  // Reads everything; `on_bytes` hears how many bytes more were read and ends it by false.
  template <class OnBytes>
  std::vector<std::string> Damaged(const OnBytes& on_bytes) const;

 private:
  struct Piece {
    std::string name;
    uint64_t begin, bytes;
    uint32_t crc32;
  };
  void ReadHeader();
  void CheckPlaces(uint64_t header_end);
  uint32_t Checksum(const Piece& piece) const;

  MappedFile file_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::map<std::string, std::string_view, std::less<>> texts_;
  std::vector<Piece> pieces_;  // in the file's order
};

template <class OnBytes>
std::vector<std::string> PackedFile::Damaged(const OnBytes& on_bytes) const {
  std::vector<std::string> damaged;
  for (const Piece& piece : pieces_) {
    if (Checksum(piece) != piece.crc32) damaged.push_back(piece.name);
    if (!on_bytes(piece.bytes)) break;
  }
  return damaged;
}

}  // namespace gemma3n
