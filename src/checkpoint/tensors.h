// SPDX-License-Identifier: Apache-2.0
// The tensors of one part of a model: a checkpoint seen from below a prefix. Every shape is checked
// as it is taken; errors name file, tensor, expected and found.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace gemma3n {

class Tensors {
 public:
  // `prefix` stands before every name, its dot included; the checkpoint must outlive this.
  Tensors(const Checkpoint& checkpoint, std::string prefix)
      : checkpoint_(checkpoint), prefix_(std::move(prefix)) {}

  Tensors Below(const std::string& name) const { return {checkpoint_, prefix_ + name + "."}; }
  std::string FullName(const std::string& name) const { return prefix_ + name; }
  std::string FileOf(const std::string& name) const { return checkpoint_.FileOf(prefix_ + name); }

  bool Has(const std::string& name) const { return checkpoint_.Has(prefix_ + name); }
  // Empty when there is none.
  TensorView Find(const std::string& name) const { return checkpoint_.Find(prefix_ + name); }
  TensorView Get(const std::string& name, const Shape& shape) const {
    return checkpoint_.Get(prefix_ + name, shape);
  }
  TensorView Matrix(const std::string& name, int64_t out, int64_t in) const {
    return Get(name, {out, in});
  }
  // A matrix that may be quantized, for products with all its rows.
  TensorView Tiles(const std::string& name, int64_t out, int64_t in) const {
    return checkpoint_.Get(prefix_ + name, {out, in}, Checkpoint::Forms::kFloatOrTiles);
  }
  // A quantized matrix of which some rows are wanted.
  TensorView SingleRows(const std::string& name, int64_t rows, int64_t columns) const {
    return checkpoint_.Get(prefix_ + name, {rows, columns}, Checkpoint::Forms::kRows);
  }
  // A matrix of which some rows are looked up: floats, or blocks as a GGUF file has them.
  TensorView Table(const std::string& name, int64_t rows, int64_t columns) const {
    return checkpoint_.Get(prefix_ + name, {rows, columns}, Checkpoint::Forms::kFloatOrBlocks);
  }
  std::vector<float> Floats(const std::string& name, const Shape& shape) const {
    return ToFloatVector(checkpoint_.Get(prefix_ + name, shape, Checkpoint::Forms::kFloatOrBlocks));
  }
  std::vector<float> Vector(const std::string& name, int64_t size) const {
    return Floats(name, {size});
  }

 private:
  const Checkpoint& checkpoint_;
  std::string prefix_;
};

}  // namespace gemma3n
