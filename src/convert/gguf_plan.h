// SPDX-License-Identifier: Apache-2.0
// Which tensors the two files of a GGUF model hold, in which types, made of what.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "convert/gguf_writer.h"
#include "convert/tensor_list.h"
#include "model/config.h"

namespace gemma3n {

// A tensor of the file, written as a matrix, row by row.
struct GgufPlan {
  GgufWriter::Tensor tensor;
  int64_t rows = 0, columns = 0;
  // What its rows are, one after the other: several where matrices are stacked. [n, columns]
  std::vector<TensorView> parts;
  // Rows beyond those of `parts`: zeros, or `parts`' first row again.
  enum class Rest { kZeros, kFirstRow };
  Rest rest = Rest::kZeros;
};

enum class GgufRecipe { kF16, kQ80, kQ40 };

struct GgufPlans {
  std::vector<GgufPlan> model, projector;
};
// Throws Error (kModel) where the checkpoint lacks a tensor or holds quantized ones.
GgufPlans PlanGguf(const Checkpoint& checkpoint, const ModelConfig& config, const ModelParts& parts,
                   GgufRecipe recipe);

}  // namespace gemma3n
