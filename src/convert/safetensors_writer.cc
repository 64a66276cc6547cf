// SPDX-License-Identifier: Apache-2.0
#include "convert/safetensors_writer.h"

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "gemma3n/error.h"

namespace gemma3n {

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     const std::vector<PlannedTensor>& tensors)
    : path_(path), temporary_(path.string() + ".part"), file_(temporary_, std::ios::binary) {
  nlohmann::ordered_json header;
  header["__metadata__"] = {{"format", "pt"}};
  for (const PlannedTensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", DTypeName(tensor.dtype)},
                           {"shape", tensor.shape.dims()},
                           {"data_offsets", {missing_, missing_ + tensor.bytes()}}};
    missing_ += tensor.bytes();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // so that the data is aligned
  const uint64_t length = text.size();
  file_.write(reinterpret_cast<const char*>(&length), sizeof(length));
  file_ << text;
  Check();
}

SafetensorsWriter::~SafetensorsWriter() {
  if (finished_) return;
  file_.close();
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
}

void SafetensorsWriter::Check() {
  if (!file_)
    throw Error(ErrorKind::kResources, path_.string() + ": cannot be written; is the disk full?");
}

void SafetensorsWriter::Write(std::span<const std::byte> bytes) {
  CHECK_LE(bytes.size(), missing_);
  file_.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  missing_ -= bytes.size();
  Check();
}

void SafetensorsWriter::Finish() {
  CHECK_EQ(missing_, uint64_t{0});
  file_.close();
  Check();
  std::filesystem::rename(temporary_, path_);
  finished_ = true;
}

}  // namespace gemma3n
