// SPDX-License-Identifier: Apache-2.0
#include "tensor/tensor.h"

#include <algorithm>

#include "tensor/blocks.h"

namespace gemma3n {
namespace {

template <class T>
void Widen(const TensorView& view, std::span<float> out) {
  const T* from = view.as<T>();
  std::transform(from, from + out.size(), out.begin(), [](T value) { return ToFloat(value); });
}

}  // namespace

TensorView TensorView::Rows(int64_t begin, int64_t end) const {
  CHECK(shape.rank() > 0 && 0 <= begin && begin <= end && end <= shape[0]);
  std::vector<int64_t> dims = shape.dims();
  const int64_t granule = packed::IsTiled(dtype) ? packed::kTileRows : 1;
  CHECK_EQ(begin % granule, int64_t{0});
  dims[0] = begin;
  const uint64_t before = packed::StoredBytes(dtype, Shape(dims));
  dims[0] = end - begin;
  return {dtype, Shape(std::move(dims)), data + before};
}

void CopyToFloat(const TensorView& view, std::span<float> out) {
  CHECK_EQ(static_cast<size_t>(view.shape.NumElements()), out.size());
  switch (view.dtype) {
    case DType::kF32:
      return Widen<float>(view, out);
    case DType::kF16:
      return Widen<F16>(view, out);
    case DType::kBF16:
      return Widen<Bf16>(view, out);
    default:
      if (!IsBlocks(view.dtype)) CheckFailed(__FILE__, __LINE__, "not a float tensor");
      return blocks::DecodeRow(view.dtype, view.data, view.shape.NumElements(), 0, 0,
                               view.shape.NumElements(), out.data());
  }
}

std::vector<float> ToFloatVector(const TensorView& view) {
  std::vector<float> out(static_cast<size_t>(view.shape.NumElements()));
  CopyToFloat(view, out);
  return out;
}

}  // namespace gemma3n
