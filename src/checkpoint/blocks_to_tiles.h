// SPDX-License-Identifier: Apache-2.0
// Tensors of blocks, as GGUF files hold them, in forms that the kernels read. Made while loading,
// in memory; `gemma3n quantize` makes them once and for all, in a file.
#pragma once

#include <cstddef>
#include <memory>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "tensor/tensor.h"

namespace gemma3n {

struct ConvertedTensor {
  TensorView view;
  std::unique_ptr<AlignedBuffer<std::byte>> bytes;  // what the view shows
  bool finite = true;                               // all of it
};

// A matrix [rows, columns] as 8-bit tiles. Their scales hold for 128 columns: beside blocks of 4 to
// 6 bits the rounding is far below what the blocks have lost, beside Q8_0 about as much again.
ConvertedTensor BlocksToTiles(const TensorView& view, ThreadPool& pool);
// Any tensor as f16, the narrowest float type that keeps 11 bits of every value.
ConvertedTensor BlocksToHalves(const TensorView& view, ThreadPool& pool);

}  // namespace gemma3n
