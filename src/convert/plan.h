// SPDX-License-Identifier: Apache-2.0
// Which tensors and small files a packed file holds, in its order, and in which form.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "convert/packed_writer.h"
#include "convert/recipe.h"
#include "tensor/tensor.h"

namespace gemma3n {

// How one tensor comes into the file.
struct Plan {
  TensorView source;
  PackedWriter::Piece piece;
  bool transposed = false;
  int64_t steps =
      1;  // the source's columns in so many equal parts, whose rows come one after the other
  int64_t taps = 1;  // of a convolution: their channels come to lie together
  std::string text;  // of a small file
  std::string name;  // of the source tensor, as Hugging Face spells it; empty: a small file

  bool is_packed() const { return !name.empty() && IsPacked(piece.dtype); }
};

// Throws Error (kUsage) for a recipe that does not fit this model. The encoders take 8 bits where
// the recipe gives them 4; `float_encoders`: they stay as they are stored.
std::vector<Plan> MakePlans(const Checkpoint& checkpoint, const Recipe& recipe,
                            bool float_encoders);

// The number of the layer in "...layers.12.mlp.up_proj.weight"; -1 where there is none.
int LayerOf(const std::string& tensor);

}  // namespace gemma3n
