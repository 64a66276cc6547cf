// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy files, version 1.0: how tensors leave for researchers and how goldens come in.
// Format: numpy.lib.format in NumPy's documentation.
#pragma once

#include <filesystem>
#include <span>

#include "tensor/tensor.h"

namespace gemma3n {

// Writes float32 `values` with `shape` under a temporary name, then renames. Throws Error
// (kResources) when the file cannot be written.
void WriteNpy(const std::filesystem::path& path, const Shape& shape, std::span<const float> values);
// The same for int32 values.
void WriteNpy(const std::filesystem::path& path, const Shape& shape,
              std::span<const int32_t> values);

// Reads a little-endian, C-ordered array of f2, f4, f8, i4 or i8 as float32. Throws Error (kModel).
Tensor ReadNpy(const std::filesystem::path& path);

}  // namespace gemma3n
