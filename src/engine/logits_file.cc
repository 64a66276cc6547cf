// SPDX-License-Identifier: Apache-2.0
#include "engine/logits_file.h"

#include <algorithm>
#include <string>

#include "base/check.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

// How many rows there are is known at the end only: the header is written then, into this room.
constexpr size_t kHeaderBytes = 504;

std::string HeaderOf(size_t rows, size_t columns) {
  const size_t logits = rows * columns * sizeof(float);
  const std::string count = std::to_string(rows);
  std::string text = R"({"logits":{"dtype":"F32","shape":[)" + count + "," +
                     std::to_string(columns) + R"(],"data_offsets":[0,)" + std::to_string(logits) +
                     R"(]},"targets":{"dtype":"I32","shape":[)" + count + R"(],"data_offsets":[)" +
                     std::to_string(logits) + "," +
                     std::to_string(logits + rows * sizeof(int32_t)) + "]}}";
  CHECK_LE(text.size(), kHeaderBytes);
  text.append(kHeaderBytes - text.size(), ' ');
  return text;
}

}  // namespace

LogitsWriter::LogitsWriter(const std::filesystem::path& path, int64_t vocabulary)
    : path_(path), temporary_(path.string() + ".part"), vocabulary_(vocabulary) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path_, ignored)) file_.open(temporary_, std::ios::binary);
  if (!file_.is_open()) throw Error(ErrorKind::kUsage, path_.string() + ": cannot be written");
  file_ << std::string(sizeof(uint64_t) + kHeaderBytes, ' ');
  Check();
}

LogitsWriter::~LogitsWriter() {
  if (finished_) return;
  file_.close();
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
}

void LogitsWriter::Check() {
  if (!file_) {
    throw Error(ErrorKind::kResources, path_.string() + ": cannot be written; is the disk full?");
  }
}

void LogitsWriter::Add(std::span<const float> logits, std::span<const int32_t> targets) {
  CHECK_EQ(logits.size(), targets.size() * static_cast<size_t>(vocabulary_));
  file_.write(reinterpret_cast<const char*>(logits.data()),
              static_cast<std::streamsize>(logits.size_bytes()));
  targets_.insert(targets_.end(), targets.begin(), targets.end());
  Check();
}

void LogitsWriter::Finish() {
  file_.write(reinterpret_cast<const char*>(targets_.data()),
              static_cast<std::streamsize>(targets_.size() * sizeof(int32_t)));
  const uint64_t length = kHeaderBytes;
  file_.seekp(0);
  file_.write(reinterpret_cast<const char*>(&length), sizeof(length));
  file_ << HeaderOf(targets_.size(), static_cast<size_t>(vocabulary_));
  file_.close();
  Check();
  std::filesystem::rename(temporary_, path_);
  finished_ = true;
}

LogitsReader::LogitsReader(const std::filesystem::path& path, int64_t vocabulary)
    : file_(path), vocabulary_(vocabulary) {
  const auto logits = file_.tensors().find("logits"), targets = file_.tensors().find("targets");
  const bool there = logits != file_.tensors().end() && targets != file_.tensors().end() &&
                     logits->second.dtype == DType::kF32 && targets->second.dtype == DType::kI32 &&
                     logits->second.shape.rank() == 2 &&
                     targets->second.shape == Shape({logits->second.shape[0]});
  if (!there) {
    throw Error(ErrorKind::kModel,
                path.string() +
                    ": expected saved logits, F32 [positions, vocabulary] with their "
                    "targets, I32 [positions], found other tensors");
  }
  const Shape& shape = logits->second.shape;
  if (shape[1] != vocabulary) {
    throw Error(ErrorKind::kUsage, path.string() + ": expected logits of " +
                                       std::to_string(vocabulary) + " tokens, found " +
                                       std::to_string(shape[1]));
  }
  logits_ = {logits->second.as<float>(), static_cast<size_t>(shape.NumElements())};
  targets_ = {targets->second.as<int32_t>(), static_cast<size_t>(shape[0])};
}

std::span<const float> LogitsReader::Next(std::span<const int32_t> targets) {
  const std::string name = file_.file().path().string();
  const size_t there = std::min(targets.size(), targets_.size() - at_);
  for (size_t i = 0; i < there; ++i) {
    if (targets[i] == targets_[at_ + i]) continue;
    throw Error(ErrorKind::kUsage, name + ": expected token " + std::to_string(targets[i]) +
                                       " at position " + std::to_string(at_ + i) + ", found " +
                                       std::to_string(targets_[at_ + i]) +
                                       "; the logits are of another text, --ctx or --stride");
  }
  if (there < targets.size()) {
    throw Error(ErrorKind::kUsage, name + ": expected more positions than " +
                                       std::to_string(targets_.size()) +
                                       "; the logits are of another text, --ctx or --stride");
  }
  const size_t width = static_cast<size_t>(vocabulary_);
  const std::span<const float> rows = logits_.subspan(at_ * width, targets.size() * width);
  at_ += targets.size();
  return rows;
}

void LogitsReader::CheckEnd() const {
  if (at_ == targets_.size()) return;
  throw Error(ErrorKind::kUsage, file_.file().path().string() + ": expected " +
                                     std::to_string(at_) + " positions, found " +
                                     std::to_string(targets_.size()) +
                                     "; the logits are of another text, --ctx or --stride");
}

}  // namespace gemma3n
