// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/packed_file.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>

#include "base/checked_math.h"
#include "checkpoint/json_value.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr uint64_t kHeaderBegin = 16;  // magic and length
constexpr uint64_t kMostHeaderBytes = 100'000'000;
constexpr size_t kMostPieces = 65536;
constexpr size_t kMostDims = 8;
constexpr int64_t kMostPerDim = int64_t{1} << 40;

[[noreturn]] void Fail(const MappedFile& file, const std::string& what) {
  throw Error(ErrorKind::kModel, file.path().string() + ": " + what);
}

DType ParseDType(const JsonValue& value) {
  const std::string name = value.String();
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kI32, DType::kQ4Tiles,
                      DType::kQ8Tiles, DType::kQ4Rows, DType::kQ8Rows}) {
    if (name == DTypeName(dtype)) return dtype;
  }
  value.Fail("F32, F16, BF16, I32, Q4T, Q8T, Q4R or Q8R");
}

Shape ParseShape(const JsonValue& value, DType dtype) {
  const std::vector<JsonValue> items = value.Items();
  if (items.size() > kMostDims) value.Fail("at most " + std::to_string(kMostDims) + " dimensions");
  if (IsPacked(dtype) && items.size() != 2)
    value.Fail("two dimensions, as quantized matrices have");
  std::vector<int64_t> dims;
  std::optional<uint64_t> elements = 8;  // more than the bytes of the widest element
  for (const JsonValue& item : items) {
    dims.push_back(item.Int(1, kMostPerDim));
    // Padding at most multiplies each dimension by 128.
    elements = elements ? CheckedMul(*elements, static_cast<uint64_t>(dims.back())) : elements;
    if (!elements || *elements > uint64_t{1} << 48) value.Fail("fewer elements");
  }
  return Shape(std::move(dims));
}

uint32_t ParseChecksum(const JsonValue& value) {
  const std::string text = value.String();
  size_t used = 0;
  unsigned long number = 0;
  if (text.size() == 8 && text.find_first_not_of("0123456789abcdef") == std::string::npos) {
    number = std::stoul(text, &used, 16);
  }
  if (used != 8) value.Fail("a checksum of 8 hexadecimal digits");
  return static_cast<uint32_t>(number);
}

}  // namespace

PackedFile::PackedFile(const std::filesystem::path& path) : file_(path) {
  ReadHeader();
}

bool PackedFile::Recognizes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  char begin[8] = {};
  return file.read(begin, sizeof(begin)) && std::memcmp(begin, kMagic, sizeof(begin)) == 0;
}

void PackedFile::ReadHeader() {
  const std::span<const std::byte> bytes = file_.bytes();
  if (bytes.size() < kHeaderBegin || std::memcmp(bytes.data(), kMagic, 8) != 0) {
    Fail(file_, "expected a packed model, which begins with " + std::string(kMagic));
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data() + 8, sizeof(length));
  if (length > kMostHeaderBytes || length > bytes.size() - kHeaderBegin) {
    Fail(file_, "header length " + std::to_string(length) + " does not fit the file of " +
                    std::to_string(bytes.size()) + " bytes; is the download complete?");
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kHeaderBegin, length);
  const JsonValue root = JsonValue::Parse(text, file_.path().string());
  const auto place = [&](std::string_view name, const JsonValue& value) {
    if (pieces_.size() >= kMostPieces) Fail(file_, "expected at most 65536 tensors and files");
    const Piece& piece = pieces_.emplace_back(
        Piece{std::string(name), static_cast<uint64_t>(value["offset"].Int(0)),
              static_cast<uint64_t>(value["bytes"].Int(0)), ParseChecksum(value["crc32"])});
    if (piece.begin > bytes.size() || piece.bytes > bytes.size() - piece.begin) {
      Fail(file_, "'" + piece.name + "': its data ends at byte " +
                      std::to_string(piece.begin + piece.bytes) + " but the file has " +
                      std::to_string(bytes.size()) + "; is the download complete?");
    }
    return bytes.data() + piece.begin;
  };
  for (const auto& [name, value] : root["tensors"].Members()) {
    const DType dtype = ParseDType(value["dtype"]);
    const Shape shape = ParseShape(value["shape"], dtype);
    const std::byte* data = place(name, value);
    const Piece& piece = pieces_.back();
    if (piece.bytes != packed::StoredBytes(dtype, shape) || piece.begin % kAlignment != 0) {
      Fail(file_, "tensor '" + piece.name + "': expected " +
                      std::to_string(packed::StoredBytes(dtype, shape)) + " bytes for " +
                      shape.ToString() + " " + DTypeName(dtype) + " at a multiple of 64, found " +
                      std::to_string(piece.bytes) + " at " + std::to_string(piece.begin));
    }
    tensors_.emplace(name, TensorView{dtype, shape, data});
  }
  for (const auto& [name, value] : root["files"].Members()) {
    const std::byte* data = place(name, value);
    texts_.emplace(name,
                   std::string_view(reinterpret_cast<const char*>(data), pieces_.back().bytes));
  }
  CheckPlaces(kHeaderBegin + length);
}

void PackedFile::CheckPlaces(uint64_t header_end) {
  std::sort(pieces_.begin(), pieces_.end(),
            [](const Piece& a, const Piece& b) { return a.begin < b.begin; });
  uint64_t at = header_end;
  for (const Piece& piece : pieces_) {
    if (piece.begin < at) {
      Fail(file_, "'" + piece.name + "': its data at byte " + std::to_string(piece.begin) +
                      " lies over what ends at byte " + std::to_string(at));
    }
    at = piece.begin + piece.bytes;
  }
}

uint32_t PackedFile::Checksum(const Piece& piece) const {
  const std::span<const std::byte> bytes = file_.bytes().subspan(piece.begin, piece.bytes);
  return static_cast<uint32_t>(
      crc32_z(crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace gemma3n
