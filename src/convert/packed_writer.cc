// SPDX-License-Identifier: Apache-2.0
#include "convert/packed_writer.h"

#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "checkpoint/packed_file.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kLarge = 65536;  // begins on a page of its own
constexpr uint64_t kHugePage = 2 << 20;
constexpr uint64_t kHuge = 64 << 20;  // lies on huge pages of its own
// Whole huge pages are written at once: the system then keeps the file in such, where it can.
constexpr size_t kBytesAtOnce = 2 * kHugePage;

uint64_t RoundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

PackedWriter::PackedWriter(const std::filesystem::path& path, const std::vector<Piece>& pieces)
    : path_(path), temporary_(path.string() + ".part") {
  for (const Piece& piece : pieces) pieces_.push_back({piece});
  // Offsets are part of the header: its length is settled by writing it with the largest ones.
  for (Placed& piece : pieces_) piece.offset = uint64_t{1} << 50;
  uint64_t at = RoundUp(16 + Header().size(), kPage);
  const uint64_t begin = at;
  bool after_huge = false;
  for (Placed& piece : pieces_) {
    const bool huge = piece.bytes >= kHuge;
    at = RoundUp(at, huge || after_huge      ? kHugePage
                     : piece.bytes >= kLarge ? kPage
                                             : PackedFile::kAlignment);
    after_huge = huge;
    piece.offset = at;
    at += piece.bytes;
  }
  total_ = at;
  file_.open(temporary_, std::ios::binary);
  buffer_.reserve(kBytesAtOnce);
  PadTo(begin);
  Check();
}

PackedWriter::~PackedWriter() {
  if (finished_) return;
  file_.close();
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
}

void PackedWriter::Check() {
  if (!file_) {
    throw Error(ErrorKind::kResources, path_.string() + ": cannot be written; is the disk full?");
  }
}

std::string PackedWriter::Header() const {
  nlohmann::ordered_json tensors = nlohmann::ordered_json::object();
  nlohmann::ordered_json files = nlohmann::ordered_json::object();
  for (const Placed& piece : pieces_) {
    char checksum[9];
    std::snprintf(checksum, sizeof(checksum), "%08x", piece.crc32);
    nlohmann::ordered_json entry;
    if (!piece.is_text) {
      entry["dtype"] = DTypeName(piece.dtype);
      entry["shape"] = piece.shape.dims();
    }
    entry["offset"] = piece.offset;
    entry["bytes"] = piece.bytes;
    entry["crc32"] = checksum;
    (piece.is_text ? files : tensors)[piece.name] = entry;
  }
  return nlohmann::ordered_json{{"tensors", tensors}, {"files", files}}.dump();
}

void PackedWriter::Append(std::span<const std::byte> bytes) {
  at_ += bytes.size();
  while (!bytes.empty()) {
    const size_t count = std::min(bytes.size(), kBytesAtOnce - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count));
    bytes = bytes.subspan(count);
    if (buffer_.size() == kBytesAtOnce) Flush();
  }
}

void PackedWriter::Flush() {
  file_.write(reinterpret_cast<const char*>(buffer_.data()),
              static_cast<std::streamsize>(buffer_.size()));
  buffer_.clear();
}

void PackedWriter::PadTo(uint64_t offset) {
  static constexpr std::byte kZeros[kPage] = {};
  while (at_ < offset) Append({kZeros, std::min<uint64_t>(kPage, offset - at_)});
}

void PackedWriter::Write(std::span<const std::byte> bytes) {
  CHECK_LT(current_, pieces_.size());
  Placed& piece = pieces_[current_];
  PadTo(piece.offset);
  CHECK_LE(at_ + bytes.size(), piece.offset + piece.bytes);
  Append(bytes);
  piece.crc32 = static_cast<uint32_t>(
      crc32_z(piece.crc32, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  if (at_ == piece.offset + piece.bytes) ++current_;
  Check();
}

void PackedWriter::Finish() {
  CHECK_EQ(current_, pieces_.size());
  Flush();
  const std::string header = Header();
  const uint64_t length = header.size();
  file_.seekp(0);
  file_.write(PackedFile::kMagic, 8);
  file_.write(reinterpret_cast<const char*>(&length), sizeof(length));
  file_ << header;
  file_.close();
  Check();
  std::filesystem::rename(temporary_, path_);
  finished_ = true;
}

}  // namespace gemma3n
