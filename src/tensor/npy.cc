// SPDX-License-Identifier: Apache-2.0
#include "tensor/npy.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string>

#include "base/checked_math.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr char kMagic[] = "\x93NUMPY";
constexpr size_t kPrefixBytes = 10;  // magic, version, header length
constexpr size_t kHeaderAlignment = 64;

std::string Header(const Shape& shape, const char* descr) {
  std::string dims;
  for (int64_t dim : shape.dims()) dims += std::to_string(dim) + ", ";
  std::string text =
      std::string("{'descr': '") + descr + "', 'fortran_order': False, 'shape': (" + dims + "), }";
  const size_t used = kPrefixBytes + text.size() + 1;
  text.append((kHeaderAlignment - used % kHeaderAlignment) % kHeaderAlignment, ' ');
  text += '\n';
  std::string prefix(kMagic, 6);
  prefix +=
      {'\x01', '\x00', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return prefix + text;
}

void WriteArray(const std::filesystem::path& path, const Shape& shape, const char* descr,
                const void* data, size_t bytes) {
  std::filesystem::path temporary = path;
  temporary += ".part" + std::to_string(getpid());
  {
    std::ofstream file(temporary, std::ios::binary);
    const std::string header = Header(shape, descr);
    file.write(header.data(), static_cast<std::streamsize>(header.size()));
    file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
    file.close();
    if (!file) {
      std::filesystem::remove(temporary);
      throw Error(ErrorKind::kResources,
                  path.string() + ": cannot write " + std::to_string(bytes) + " bytes");
    }
  }
  std::filesystem::rename(temporary, path);
}

[[noreturn]] void Fail(const std::filesystem::path& path, const std::string& what) {
  throw Error(ErrorKind::kModel, path.string() + ": " + what);
}

// The text between `open` and `close` after `key` in the header dictionary.
std::string Field(const std::string& header, const std::string& key, char open, char close) {
  const size_t at = header.find(key);
  if (at == std::string::npos) return {};
  const size_t begin = header.find(open, at + key.size());
  const size_t end = header.find(close, begin + 1);
  if (begin == std::string::npos || end == std::string::npos) return {};
  return header.substr(begin + 1, end - begin - 1);
}

Shape ParseShape(const std::filesystem::path& path, const std::string& text) {
  std::vector<int64_t> dims;
  for (const char* p = text.data(); p < text.data() + text.size();) {
    if (*p == ' ' || *p == ',') {
      ++p;
      continue;
    }
    int64_t dim = 0;
    const auto [next, error] = std::from_chars(p, text.data() + text.size(), dim);
    if (error != std::errc() || dim < 0) Fail(path, "shape (" + text + ") is not a list of sizes");
    dims.push_back(dim);
    p = next;
  }
  return Shape(std::move(dims));
}

template <class T>
void Convert(const std::string& bytes, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    if constexpr (std::is_same_v<T, F16>) {
      out[i] = ToFloat(value);
    } else {
      out[i] = static_cast<float>(value);
    }
  }
}

}  // namespace

void WriteNpy(const std::filesystem::path& path, const Shape& shape,
              std::span<const float> values) {
  CHECK_EQ(static_cast<size_t>(shape.NumElements()), values.size());
  WriteArray(path, shape, "<f4", values.data(), values.size_bytes());
}

void WriteNpy(const std::filesystem::path& path, const Shape& shape,
              std::span<const int32_t> values) {
  CHECK_EQ(static_cast<size_t>(shape.NumElements()), values.size());
  WriteArray(path, shape, "<i4", values.data(), values.size_bytes());
}

Tensor ReadNpy(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string prefix(kPrefixBytes, '\0');
  if (!file.read(prefix.data(), kPrefixBytes)) Fail(path, "cannot read an .npy header");
  if (prefix.compare(0, 7, std::string(kMagic, 6) + '\x01') != 0) {
    Fail(path, "is not an .npy file of version 1");
  }
  const size_t length =
      static_cast<unsigned char>(prefix[8]) | static_cast<unsigned char>(prefix[9]) << 8;
  std::string header(length, '\0');
  if (!file.read(header.data(), static_cast<std::streamsize>(length))) Fail(path, "header is cut");
  if (header.find("'fortran_order': False") == std::string::npos) Fail(path, "is not C-ordered");
  const std::string descr = Field(header, "'descr':", '\'', '\'');
  const Shape shape = ParseShape(path, Field(header, "'shape':", '(', ')'));
  const size_t element = descr == "<f2" ? 2 : descr == "<f4" || descr == "<i4" ? 4 : 8;
  std::optional<uint64_t> size = element;
  for (int64_t dim : shape.dims()) size = size ? CheckedMul(*size, dim) : size;
  const uint64_t present = std::filesystem::file_size(path) - kPrefixBytes - length;
  if (!size || *size != present) {
    Fail(path, "expected data for shape " + shape.ToString() + ", found " +
                   std::to_string(present) + " bytes");
  }
  std::string bytes(*size, '\0');
  if (!file.read(bytes.data(), static_cast<std::streamsize>(*size))) Fail(path, "data is cut");
  Tensor tensor(shape);
  if (descr == "<f4")
    Convert<float>(bytes, tensor.span());
  else if (descr == "<f2")
    Convert<F16>(bytes, tensor.span());
  else if (descr == "<f8")
    Convert<double>(bytes, tensor.span());
  else if (descr == "<i4")
    Convert<int32_t>(bytes, tensor.span());
  else if (descr == "<i8")
    Convert<int64_t>(bytes, tensor.span());
  else
    Fail(path, "element type '" + descr + "' is not one of <f2 <f4 <f8 <i4 <i8");
  return tensor;
}

}  // namespace gemma3n
