// SPDX-License-Identifier: Apache-2.0
// TensorView borrows bytes (usually of a mapped file); Tensor owns float32 memory. Both are dense
// and row-major, but for the packed types.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/check.h"
#include "tensor/dtype.h"
#include "tensor/packed.h"
#include "tensor/shape.h"

namespace gemma3n {

// Elements are aligned for their type (readers see to that).
struct TensorView {
  DType dtype = DType::kF32;
  Shape shape;
  const std::byte* data = nullptr;

  bool empty() const { return data == nullptr; }
  size_t bytes() const { return packed::StoredBytes(dtype, shape); }
  // Typed access; the caller knows the dtype.
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data);
  }
  // Elements [begin, end) of the outermost dimension, same memory. Of tiles `begin` is a multiple
  // of a tile's rows.
  TensorView Rows(int64_t begin, int64_t end) const;
};

// A float32 tensor that owns its memory; contents start as zero, but for Unset.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Shape shape)
      : shape_(std::move(shape)), data_(static_cast<size_t>(shape_.NumElements())) {}

  // Contents are not yet anything: all of them have to be written before they are read.
  static Tensor Unset(Shape shape) {
    Tensor tensor;
    tensor.data_.ResizeUnset(static_cast<size_t>(shape.NumElements()));
    tensor.shape_ = std::move(shape);
    return tensor;
  }

  // Another one with the same contents; it is never made unasked.
  Tensor Copy() const {
    Tensor tensor = Unset(shape_);
    std::copy_n(data(), size(), tensor.data());
    return tensor;
  }

  const Shape& shape() const { return shape_; }
  float* data() { return data_.data(); }
  const float* data() const { return data_.data(); }
  size_t size() const { return data_.size(); }
  std::span<float> span() { return data_.span(); }
  std::span<const float> span() const { return data_.span(); }
  float* row(int64_t i) { return data_.data() + i * row_size(); }
  const float* row(int64_t i) const { return data_.data() + i * row_size(); }
  // Elements of one index of the outermost dimension.
  int64_t row_size() const { return shape_.rank() ? shape_.NumElements() / shape_[0] : 1; }
  TensorView view() const {
    return {DType::kF32, shape_, reinterpret_cast<const std::byte*>(data_.data())};
  }

 private:
  Shape shape_;
  AlignedBuffer<float> data_;
};

// All elements widened to float32, in order. Any float dtype, and types of blocks.
std::vector<float> ToFloatVector(const TensorView& view);
// The same into memory of view.shape.NumElements() floats.
void CopyToFloat(const TensorView& view, std::span<float> out);

}  // namespace gemma3n
