// SPDX-License-Identifier: Apache-2.0
// GGUF, the file format of llama.cpp and its relatives: counts, then metadata as key and value,
// then the list of tensors, then their bytes. Little-endian, versions 2 and 3.
// Format: docs/gguf.md of https://github.com/ggml-org/ggml, read strictly: no key and no tensor
// twice, valid UTF-8, every length compared with the file before it is used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/mapped_file.h"
#include "tensor/tensor.h"

namespace gemma3n {

namespace gguf {

constexpr char kMagic[] = "GGUF";  // the first 4 bytes
constexpr uint32_t kVersion = 3;   // what is written; 2 differs in nothing that is read here
constexpr uint32_t kDefaultAlignment = 32;
constexpr char kAlignmentKey[] = "general.alignment";

// Keys that only this project's files have; without them the reader assumes what Gemma 3n's
// released models have.
constexpr char kAudioTokensKey[] = "clip.audio.tokens_per_clip";                 // uint32
constexpr char kPerLayerVocabularyKey[] = "gemma3n.vocab_size_per_layer_input";  // uint32

// How a value of the metadata is stored.
enum class ValueType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// What a piece of the vocabulary is (tokenizer.ggml.token_type).
enum class PieceType : int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

// The number that stands for an element type in the list of tensors, and back: nothing for types
// that we do not read.
uint32_t TensorTypeOf(DType dtype);
std::optional<DType> DTypeOf(uint32_t tensor_type);
// Also of types that we do not read: "IQ2_XXS"; "type 99" where nobody knows it.
std::string TensorTypeName(uint32_t tensor_type);

}  // namespace gguf

// One value of the metadata. Readers say what they expect: throws Error (kModel) naming file, key,
// expected and found.
class GgufValue {
 public:
  bool IsArray() const { return is_array_; }
  bool IsString() const { return !is_array_ && type_ == gguf::ValueType::kString; }
  bool IsBool() const { return !is_array_ && type_ == gguf::ValueType::kBool; }
  uint64_t size() const { return count_; }  // elements of an array, else 1

  // Any integer type, and a float without a fraction: early writers chose float32 for some counts.
  int64_t Int(int64_t min, int64_t max) const;
  double Number(double min, double max) const;  // any number; an infinity only where in the range
  bool Bool() const;
  std::string_view String() const;  // lives as long as the file

  // Of arrays.
  std::vector<int64_t> Ints(int64_t min, int64_t max) const;
  std::vector<double> Numbers(double min, double max) const;  // never NaN
  std::vector<bool> Bools() const;
  std::vector<std::string_view> Strings() const;

  // Type and value as a file has them behind the key.
  void AppendTo(std::string& out) const;

  // Throws Error: "model.gguf: gemma3n.block_count: expected ..., found ...".
  [[noreturn]] void Fail(const std::string& expected) const;

 private:
  friend class Gguf;
  std::string Found() const;
  int64_t IntAt(const std::byte* at, int64_t min, int64_t max) const;
  double NumberAt(const std::byte* at, double min, double max) const;
  void Need(bool array, bool right, const std::string& expected) const;

  std::string where_;                               // file and key
  gguf::ValueType type_ = gguf::ValueType::kUint8;  // of the elements of an array
  bool is_array_ = false;
  uint64_t count_ = 1;
  std::span<const std::byte> bytes_;  // of the value, or of all elements
};

class Gguf {
 public:
  // Maps the file and reads all but the tensors' data. Throws Error (kModel) naming file, key or
  // tensor, expected, found.
  explicit Gguf(const std::filesystem::path& path);

  // Whether the file begins as GGUF does; false also for what cannot be read.
  static bool Recognizes(const std::filesystem::path& path);

  // Null where there is no such key.
  const GgufValue* Find(std::string_view key) const;
  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  // By their names in the file; shapes are outermost first, as everywhere here.
  const std::map<std::string, TensorView, std::less<>>& tensors() const { return tensors_; }
  const MappedFile& file() const { return file_; }
  uint32_t version() const { return version_; }

 private:
  class Parser;
  MappedFile file_;
  uint32_t version_ = 0;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::map<std::string, TensorView, std::less<>> tensors_;
};

}  // namespace gemma3n
