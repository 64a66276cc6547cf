// SPDX-License-Identifier: Apache-2.0
// GGUF files for tests, written by hand so that any part of them can be wrong.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/gguf.h"

namespace gemma3n {

template <class T>
std::string Bytes(T value) {
  std::string bytes(sizeof(value), '\0');
  std::memcpy(bytes.data(), &value, sizeof(value));
  return bytes;
}
inline std::string GgufText(std::string_view text) {
  return Bytes<uint64_t>(text.size()) + std::string(text);
}

class GgufTestFile {
 public:
  using Type = gguf::ValueType;

  // `value` is the bytes after the type.
  void Raw(const std::string& key, uint32_t type, const std::string& value) {
    keys_ += GgufText(key) + Bytes(type) + value;
    ++key_count_;
  }
  void Uint(const std::string& key, uint32_t value) {
    Raw(key, static_cast<uint32_t>(Type::kUint32), Bytes(value));
  }
  void Float(const std::string& key, float value) {
    Raw(key, static_cast<uint32_t>(Type::kFloat32), Bytes(value));
  }
  void Text(const std::string& key, std::string_view value) {
    Raw(key, static_cast<uint32_t>(Type::kString), GgufText(value));
  }
  // `elements` is the bytes of all elements.
  void Array(const std::string& key, Type type, uint64_t count, const std::string& elements) {
    Raw(key, static_cast<uint32_t>(Type::kArray),
        Bytes(static_cast<uint32_t>(type)) + Bytes(count) + elements);
  }
  template <class T>
  void Numbers(const std::string& key, Type type, const std::vector<T>& values) {
    std::string elements;
    for (const T value : values) elements += Bytes(value);
    Array(key, type, values.size(), elements);
  }
  void Texts(const std::string& key, const std::vector<std::string>& values) {
    std::string elements;
    for (const std::string& value : values) elements += GgufText(value);
    Array(key, Type::kString, values.size(), elements);
  }

  // `dims` are innermost first, as the file has them. Data go to the next multiple of 32.
  void Tensor(const std::string& name, const std::vector<uint64_t>& dims, uint32_t type,
              const std::string& data) {
    data_.resize((data_.size() + 31) / 32 * 32);
    Entry(name, dims, type, data_.size());
    data_ += data;
  }
  void Entry(const std::string& name, const std::vector<uint64_t>& dims, uint32_t type,
             uint64_t offset) {
    entries_ += GgufText(name) + Bytes(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) entries_ += Bytes(dim);
    entries_ += Bytes(type) + Bytes(offset);
    ++entry_count_;
  }
  // A tensor of F32.
  void Floats(const std::string& name, const std::vector<uint64_t>& dims) {
    uint64_t count = 1;
    for (const uint64_t dim : dims) count *= dim;
    std::string data;
    for (uint64_t i = 0; i < count; ++i) data += Bytes(static_cast<float>(i + 1));
    Tensor(name, dims, 0, data);
  }
  void Data(const std::string& data) { data_ += data; }

  std::string Build(uint64_t alignment = 32) const {
    std::string file =
        "GGUF" + Bytes(gguf::kVersion) + Bytes(entry_count_) + Bytes(key_count_) + keys_ + entries_;
    file.resize((file.size() + alignment - 1) / alignment * alignment);
    return file + data_;
  }
  std::filesystem::path Write(const std::filesystem::path& path) const {
    std::ofstream(path, std::ios::binary) << Build();
    return path;
  }

 private:
  std::string keys_, entries_, data_;
  uint64_t key_count_ = 0, entry_count_ = 0;
};

}  // namespace gemma3n
