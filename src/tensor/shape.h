// SPDX-License-Identifier: Apache-2.0
// The dimensions of a tensor, outermost first, as in PyTorch; counts are 64-bit, since the
// per-layer embedding table of Gemma 3n has more than 2^31 elements.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace gemma3n {

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : dims_(dims) {}
  explicit Shape(std::vector<int64_t> dims) : dims_(std::move(dims)) {}

  size_t rank() const { return dims_.size(); }
  int64_t operator[](size_t i) const { return dims_[i]; }
  int64_t back() const { return dims_.back(); }
  const std::vector<int64_t>& dims() const { return dims_; }
  int64_t NumElements() const;   // the product; 1 for a scalar. Dims are known not to overflow.
  std::string ToString() const;  // "[2048, 16384]"
  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::vector<int64_t> dims_;
};

}  // namespace gemma3n
