// SPDX-License-Identifier: Apache-2.0
// Models as Hugging Face lays them out, written: safetensors in shards, and files beside them.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "convert/safetensors_writer.h"

namespace gemma3n {

// Under a temporary name, renamed when complete. Throws Error (kResources).
void WriteText(const std::filesystem::path& path, const std::string& text);
// Throws Error (kUsage).
void CopyFile(const std::filesystem::path& from, const std::filesystem::path& to);

// Writes the tensors to `directory` in the order of their names, in files of at most `shard_bytes`
// where a tensor allows it, with an index where there are several. `write` gives the bytes of one
// to the writer; false from it ends the work and is returned. Throws Error (kResources).
using TensorWriter = std::function<bool(const PlannedTensor& tensor, SafetensorsWriter& writer)>;
bool WriteShards(const std::filesystem::path& directory, std::vector<PlannedTensor> tensors,
                 uint64_t shard_bytes, const TensorWriter& write);

// Those that WriteShards may have written.
void RemoveOldWeights(const std::filesystem::path& directory);

// Whether `name` is that of a file of weights, in any form, or of an index of such.
bool IsOfWeights(const std::filesystem::path& name);

}  // namespace gemma3n
