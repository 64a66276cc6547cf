// SPDX-License-Identifier: Apache-2.0
// GGUF, the file format of llama.cpp and its relatives: counts, then metadata as key and value,
// then the list of tensors, then their bytes. Little-endian, versions 2 and 3.
// Format: docs/gguf.md of https://github.com/ggml-org/ggml.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tensor/dtype.h"

namespace gemma3n::gguf {

constexpr char kMagic[] = "GGUF";  // the first 4 bytes
constexpr uint32_t kVersion = 3;   // what is written; 2 differs in nothing that is read here
constexpr uint32_t kDefaultAlignment = 32;
constexpr char kAlignmentKey[] = "general.alignment";

// Keys that only files of ours have; without them a reader assumes what the released models have.
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

}  // namespace gemma3n::gguf
