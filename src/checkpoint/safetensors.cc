// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/safetensors.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/checked_math.h"
#include "checkpoint/json_value.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMostHeaderBytes = 100'000'000;  // as the format's own library
constexpr size_t kMostTensors = 65536;
constexpr size_t kMostDims = 8;
constexpr size_t kMostNameBytes = 512;

[[noreturn]] void Fail(const MappedFile& file, const std::string& what) {
  throw Error(ErrorKind::kModel, file.path().string() + ": " + what);
}

std::optional<DType> ParseDType(const std::string& name) {
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kI32}) {
    if (name == DTypeName(dtype)) return dtype;
  }
  return std::nullopt;
}

struct Entry {
  std::string name;
  DType dtype;
  Shape shape;
  uint64_t begin, end;  // in the data part
};

Entry ParseEntry(const MappedFile& file, std::string_view name, const JsonValue& value) {
  Entry entry;
  entry.name = std::string(name);
  const std::string tensor = "tensor '" + entry.name + "': ";
  if (name.size() > kMostNameBytes) {
    Fail(file, "expected tensor names of at most " + std::to_string(kMostNameBytes) +
                   " bytes, found one of " + std::to_string(name.size()));
  }
  const std::string dtype_name = value["dtype"].String();
  const std::optional<DType> dtype = ParseDType(dtype_name);
  if (!dtype) {
    Fail(file, tensor + "expected element type F32, F16, BF16 or I32, found " + dtype_name);
  }
  entry.dtype = *dtype;
  const std::vector<JsonValue> dims = value["shape"].Items();
  if (dims.size() > kMostDims) {
    Fail(file, tensor + "expected at most " + std::to_string(kMostDims) + " dimensions, found " +
                   std::to_string(dims.size()));
  }
  std::vector<int64_t> sizes;
  std::optional<uint64_t> bytes = ElementSize(entry.dtype);
  for (const JsonValue& dim : dims) {
    sizes.push_back(dim.Int(1));
    bytes = bytes ? CheckedMul(*bytes, static_cast<uint64_t>(sizes.back())) : bytes;
  }
  entry.shape = Shape(std::move(sizes));
  const std::vector<JsonValue> offsets = value["data_offsets"].Items();
  if (offsets.size() != 2) value["data_offsets"].Fail("two offsets");
  entry.begin = static_cast<uint64_t>(offsets[0].Int(0));
  entry.end = static_cast<uint64_t>(offsets[1].Int(0));
  if (!bytes || entry.end < entry.begin || entry.end - entry.begin != *bytes) {
    Fail(file, tensor + "expected data for " + entry.shape.ToString() + " " +
                   DTypeName(entry.dtype) + ", found bytes " + std::to_string(entry.begin) +
                   " to " + std::to_string(entry.end));
  }
  return entry;
}

// The entries in file order must cover the data part exactly.
void CheckLayout(const MappedFile& file, std::vector<Entry>& entries, uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.begin < b.begin; });
  uint64_t at = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != at) {
      Fail(file, "tensor '" + entry.name + "': expected its data at byte " + std::to_string(at) +
                     ", found " + std::to_string(entry.begin) +
                     (entry.begin < at ? ", over another tensor" : ", after a gap"));
    }
    at = entry.end;
    if (at > data_bytes) {
      Fail(file, "tensor '" + entry.name + "': its data ends at byte " + std::to_string(at) +
                     " but the file has " + std::to_string(data_bytes) +
                     "; is the download complete?");
    }
  }
  if (at != data_bytes) {
    Fail(file, "expected " + std::to_string(at) + " bytes of tensor data, found " +
                   std::to_string(data_bytes));
  }
}

}  // namespace

Safetensors::Safetensors(const std::filesystem::path& path) : file_(path) {
  ReadHeader();
}

void Safetensors::ReadHeader() {
  const std::span<const std::byte> bytes = file_.bytes();
  if (bytes.size() < kLengthBytes) {
    Fail(file_, "expected a safetensors file, found " + std::to_string(bytes.size()) + " bytes");
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > bytes.size() - kLengthBytes) {
    Fail(file_, "header length " + std::to_string(length) + " does not fit the file of " +
                    std::to_string(bytes.size()) + " bytes; is the download complete?");
  }
  if (length > kMostHeaderBytes) {
    Fail(file_, "header length " + std::to_string(length) + ": expected at most " +
                    std::to_string(kMostHeaderBytes) + " bytes");
  }
  std::string_view header(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
  if (header.empty() || header[0] != '{') Fail(file_, "expected the header to start with {");
  const uint64_t data_bytes = bytes.size() - kLengthBytes - length;
  const JsonValue root = JsonValue::Parse(header, file_.path().string());

  std::vector<Entry> entries;
  for (const auto& [name, value] : root.Members()) {
    if (name == "__metadata__") {
      for (const auto& [key, text] : value.Members()) metadata_[std::string(key)] = text.String();
      continue;
    }
    if (entries.size() >= kMostTensors) {
      Fail(file_, "expected at most " + std::to_string(kMostTensors) + " tensors");
    }
    entries.push_back(ParseEntry(file_, name, value));
  }
  CheckLayout(file_, entries, data_bytes);
  for (Entry& entry : entries) {
    const std::byte* data = bytes.data() + kLengthBytes + length + entry.begin;
    if (reinterpret_cast<uintptr_t>(data) % ElementSize(entry.dtype) != 0) {
      auto copy = std::make_unique<AlignedBuffer<std::byte>>(entry.end - entry.begin);
      std::memcpy(copy->data(), data, copy->size());
      data = copy->data();
      copies_.push_back(std::move(copy));
    }
    tensors_.emplace(std::move(entry.name), TensorView{entry.dtype, std::move(entry.shape), data});
  }
}

}  // namespace gemma3n
