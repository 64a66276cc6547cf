// SPDX-License-Identifier: Apache-2.0
#include "convert/model_directory.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

// Tensors in their order, cut into files of at most `most` bytes where one allows it.
std::vector<std::vector<PlannedTensor>> PlanShards(std::vector<PlannedTensor> tensors,
                                                   uint64_t most) {
  std::vector<std::vector<PlannedTensor>> shards(1);
  uint64_t bytes = 0;
  for (PlannedTensor& tensor : tensors) {
    if (!shards.back().empty() && bytes + tensor.bytes() > most) {
      shards.emplace_back();
      bytes = 0;
    }
    bytes += tensor.bytes();
    shards.back().push_back(std::move(tensor));
  }
  return shards;
}

std::string ShardName(size_t index, size_t count) {
  if (count == 1) return "model.safetensors";
  char name[64];
  std::snprintf(name, sizeof(name), "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name;
}

}  // namespace

void WriteText(const std::filesystem::path& path, const std::string& text) {
  const std::filesystem::path temporary = path.string() + ".part";
  std::ofstream file(temporary, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw Error(ErrorKind::kResources, path.string() + ": cannot be written");
  std::filesystem::rename(temporary, path);
}

void CopyFile(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing, error);
  if (error)
    throw Error(ErrorKind::kUsage, from.string() + ": cannot be copied: " + error.message());
}

bool WriteShards(const std::filesystem::path& directory, std::vector<PlannedTensor> tensors,
                 uint64_t shard_bytes, const TensorWriter& write) {
  std::sort(tensors.begin(), tensors.end(),
            [](const PlannedTensor& a, const PlannedTensor& b) { return a.name < b.name; });
  uint64_t total = 0;
  for (const PlannedTensor& tensor : tensors) total += tensor.bytes();
  const auto shards = PlanShards(std::move(tensors), shard_bytes);
  nlohmann::ordered_json weight_map;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = ShardName(i, shards.size());
    SafetensorsWriter writer(directory / name, shards[i]);
    for (const PlannedTensor& tensor : shards[i]) {
      if (!write(tensor, writer)) return false;
      weight_map[tensor.name] = name;
    }
    writer.Finish();
  }
  if (shards.size() > 1) {
    const nlohmann::ordered_json index = {{"metadata", {{"total_size", total}}},
                                          {"weight_map", weight_map}};
    WriteText(directory / "model.safetensors.index.json", index.dump(2) + "\n");
  }
  return true;
}

void RemoveOldWeights(const std::filesystem::path& directory) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (name.rfind("model", 0) == 0 && name.find(".safetensors") != std::string::npos) {
      std::filesystem::remove(entry.path());
    }
  }
}

bool IsOfWeights(const std::filesystem::path& name) {
  const std::string text = name.filename().string();
  for (const char* end : {".safetensors", ".index.json", ".bin", ".pt", ".pth", ".ckpt", ".h5",
                          ".msgpack", ".onnx", ".npz", ".gguf", ".g3n", ".part"}) {
    const std::string wanted = end;
    if (text.size() >= wanted.size() &&
        text.compare(text.size() - wanted.size(), wanted.size(), wanted) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace gemma3n
