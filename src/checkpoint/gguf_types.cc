// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "checkpoint/gguf.h"

namespace gemma3n::gguf {
namespace {

constexpr std::pair<DType, uint32_t> kTypes[] = {
    {DType::kF32, 0},         {DType::kF16, 1},         {DType::kBlockQ40, 2},
    {DType::kBlockQ41, 3},    {DType::kBlockQ50, 6},    {DType::kBlockQ51, 7},
    {DType::kBlockQ80, 8},    {DType::kBlockQ2K, 10},   {DType::kBlockQ3K, 11},
    {DType::kBlockQ4K, 12},   {DType::kBlockQ5K, 13},   {DType::kBlockQ6K, 14},
    {DType::kBlockIQ4NL, 20}, {DType::kBlockIQ4XS, 23}, {DType::kI32, 26},
    {DType::kBF16, 30}};

// By number; empty where the number is not in use (any more).
constexpr std::array<std::string_view, 42> kNames = {
    "F32",     "F16",   "Q4_0",   "Q4_1",  "",      "",       "Q5_0", "Q5_1",    "Q8_0",
    "Q8_1",    "Q2_K",  "Q3_K",   "Q4_K",  "Q5_K",  "Q6_K",   "Q8_K", "IQ2_XXS", "IQ2_XS",
    "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",   "I16",     "I32",
    "I64",     "F64",   "IQ1_M",  "BF16",  "",      "",       "",     "TQ1_0",   "TQ2_0",
    "",        "",      "",       "MXFP4", "NVFP4", "Q1_0"};

}  // namespace

uint32_t TensorTypeOf(DType dtype) {
  for (const auto& [ours, theirs] : kTypes) {
    if (ours == dtype) return theirs;
  }
  CheckFailed(__FILE__, __LINE__, "a type that GGUF does not have");
}

std::optional<DType> DTypeOf(uint32_t tensor_type) {
  for (const auto& [ours, theirs] : kTypes) {
    if (theirs == tensor_type) return ours;
  }
  return std::nullopt;
}

std::string TensorTypeName(uint32_t tensor_type) {
  if (tensor_type < kNames.size() && !kNames[tensor_type].empty()) {
    return std::string(kNames[tensor_type]);
  }
  return "type " + std::to_string(tensor_type);
}

}  // namespace gemma3n::gguf
