// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/gguf.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <type_traits>

#include "base/checked_math.h"
#include "base/utf8.h"
#include "gemma3n/error.h"
#include "tensor/blocks.h"

namespace gemma3n {
namespace {

using gguf::ValueType;

constexpr uint64_t kMostKeys = 65536;
constexpr uint64_t kMostTensors = 65536;
constexpr uint64_t kMostKeyBytes = 65535;  // as the format says
constexpr uint64_t kMostNameBytes = 512;
constexpr uint64_t kMostStringBytes = 64 << 20;
constexpr uint64_t kMostElements = 16 << 20;  // of an array
constexpr uint32_t kMostDims = 4;
constexpr uint32_t kLeastAlignment = 8, kMostAlignment = 1 << 20;
constexpr uint64_t kMostPerTensor = uint64_t{1} << 48;  // elements

// Bytes of a value of fixed size; 0 of strings and arrays.
uint64_t SizeOf(ValueType type) {
  switch (type) {
    case ValueType::kUint8:
    case ValueType::kInt8:
    case ValueType::kBool:
      return 1;
    case ValueType::kUint16:
    case ValueType::kInt16:
      return 2;
    case ValueType::kUint32:
    case ValueType::kInt32:
    case ValueType::kFloat32:
      return 4;
    case ValueType::kUint64:
    case ValueType::kInt64:
    case ValueType::kFloat64:
      return 8;
    default:
      return 0;
  }
}

template <class T>
T Load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

bool IsFloatType(ValueType type) {
  return type == ValueType::kFloat32 || type == ValueType::kFloat64;
}
bool IsNumberType(ValueType type) {
  return type <= ValueType::kFloat64 && type != ValueType::kBool && type != ValueType::kString &&
         type != ValueType::kArray;
}

const char* NameOf(ValueType type) {
  constexpr const char* kNames[] = {"uint8",  "int8",    "uint16", "int16",  "uint32",
                                    "int32",  "float32", "bool",   "string", "array",
                                    "uint64", "int64",   "float64"};
  return kNames[static_cast<uint32_t>(type)];
}

double AsDouble(ValueType type, const std::byte* at) {
  switch (type) {
    case ValueType::kFloat32:
      return Load<float>(at);
    case ValueType::kFloat64:
      return Load<double>(at);
    case ValueType::kUint64:
      return static_cast<double>(Load<uint64_t>(at));
    case ValueType::kInt64:
      return static_cast<double>(Load<int64_t>(at));
    case ValueType::kUint32:
      return Load<uint32_t>(at);
    case ValueType::kInt32:
      return Load<int32_t>(at);
    case ValueType::kUint16:
      return Load<uint16_t>(at);
    case ValueType::kInt16:
      return Load<int16_t>(at);
    case ValueType::kInt8:
      return Load<int8_t>(at);
    default:
      return Load<uint8_t>(at);
  }
}

std::string Shown(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) {
    return std::to_string(static_cast<int64_t>(value));
  }
  return std::to_string(value);
}

}  // namespace

// ---- values ----

std::string GgufValue::Found() const {
  if (is_array_) return std::string("an array of ") + std::to_string(count_) + " " + NameOf(type_);
  if (type_ == ValueType::kString) {
    return Quoted({reinterpret_cast<const char*>(bytes_.data()), bytes_.size()});
  }
  if (type_ == ValueType::kBool) return Load<uint8_t>(bytes_.data()) != 0 ? "true" : "false";
  return Shown(AsDouble(type_, bytes_.data()));
}

void GgufValue::Fail(const std::string& expected) const {
  throw Error(ErrorKind::kModel, where_ + ": expected " + expected + ", found " + Found());
}

void GgufValue::Need(bool array, bool right, const std::string& expected) const {
  if (is_array_ != array || !right) Fail(expected);
}

int64_t GgufValue::IntAt(const std::byte* at, int64_t min, int64_t max) const {
  const auto fail = [&](const std::string& found) {
    throw Error(ErrorKind::kModel, where_ + ": expected an integer in [" + std::to_string(min) +
                                       ", " + std::to_string(max) + "], found " + found);
  };
  // Below 2^53 a double holds every integer; all ranges that are asked for end before.
  const double value = AsDouble(type_, at);
  if (!(value >= static_cast<double>(min) && value <= static_cast<double>(max)) ||
      value != std::floor(value)) {
    fail(Shown(value));
  }
  return static_cast<int64_t>(value);
}

double GgufValue::NumberAt(const std::byte* at, double min, double max) const {
  const double value = AsDouble(type_, at);
  if (!(value >= min && value <= max)) {
    throw Error(ErrorKind::kModel, where_ + ": expected a number in [" + Shown(min) + ", " +
                                       Shown(max) + "], found " + Shown(value));
  }
  return value;
}

int64_t GgufValue::Int(int64_t min, int64_t max) const {
  Need(false, IsNumberType(type_), "an integer");
  return IntAt(bytes_.data(), min, max);
}

double GgufValue::Number(double min, double max) const {
  Need(false, IsNumberType(type_), "a number");
  return NumberAt(bytes_.data(), min, max);
}

bool GgufValue::Bool() const {
  Need(false, type_ == ValueType::kBool, "true or false");
  return Load<uint8_t>(bytes_.data()) != 0;
}

std::string_view GgufValue::String() const {
  Need(false, type_ == ValueType::kString, "a text");
  return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
}

std::vector<int64_t> GgufValue::Ints(int64_t min, int64_t max) const {
  Need(true, IsNumberType(type_), "an array of integers");
  std::vector<int64_t> values;
  for (uint64_t i = 0; i < count_; ++i) {
    values.push_back(IntAt(bytes_.data() + i * SizeOf(type_), min, max));
  }
  return values;
}

std::vector<double> GgufValue::Numbers(double min, double max) const {
  Need(true, IsFloatType(type_), "an array of floats");
  std::vector<double> values;
  for (uint64_t i = 0; i < count_; ++i) {
    values.push_back(NumberAt(bytes_.data() + i * SizeOf(type_), min, max));
  }
  return values;
}

std::vector<bool> GgufValue::Bools() const {
  Need(true, type_ == ValueType::kBool, "an array of true and false");
  std::vector<bool> values;
  for (uint64_t i = 0; i < count_; ++i) values.push_back(Load<uint8_t>(bytes_.data() + i) != 0);
  return values;
}

std::vector<std::string_view> GgufValue::Strings() const {
  Need(true, type_ == ValueType::kString, "an array of texts");
  std::vector<std::string_view> values;
  const std::byte* at = bytes_.data();
  for (uint64_t i = 0; i < count_; ++i) {  // the lengths were checked while parsing
    const auto length = Load<uint64_t>(at);
    values.emplace_back(reinterpret_cast<const char*>(at) + sizeof(length), length);
    at += sizeof(length) + length;
  }
  return values;
}

void GgufValue::AppendTo(std::string& out) const {
  const auto put = [&](const auto& number) {
    out.append(reinterpret_cast<const char*>(&number), sizeof(number));
  };
  if (is_array_) put(static_cast<uint32_t>(ValueType::kArray));
  put(static_cast<uint32_t>(type_));
  if (is_array_) put(count_);
  if (IsString()) put(static_cast<uint64_t>(bytes_.size()));
  out.append(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
}

// ---- the file ----

class Gguf::Parser {
 public:
  explicit Parser(Gguf& gguf) : gguf_(gguf), bytes_(gguf.file_.bytes()) {}

  void Parse() {
    ReadHeader();
    const auto tensors = Counted(kMostTensors, "tensors");
    const auto keys = Counted(kMostKeys, "keys");
    for (uint64_t i = 0; i < keys; ++i) ReadKey();
    alignment_ = Alignment();
    for (uint64_t i = 0; i < tensors; ++i) ReadEntry();
    PlaceTensors();
  }

 private:
  struct Entry {
    std::string name;
    TensorView view;
    uint64_t offset;  // in the data part
  };

  [[noreturn]] void Fail(const std::string& what) const {
    throw Error(ErrorKind::kModel, gguf_.file_.path().string() + ": " + what);
  }

  const std::byte* Take(uint64_t bytes, const std::string& of) {
    if (bytes > bytes_.size() - at_) {
      Fail(of + " at byte " + std::to_string(at_) + " needs " + std::to_string(bytes) +
           " bytes, but the file has " + std::to_string(bytes_.size()) +
           "; is the download complete?");
    }
    const std::byte* taken = bytes_.data() + at_;
    at_ += bytes;
    return taken;
  }
  template <class T>
  T Number(const std::string& of) {
    return Load<T>(Take(sizeof(T), of));
  }

  std::string_view Text(uint64_t most, const std::string& of) {
    const auto length = Number<uint64_t>(of);
    if (length > most) {
      Fail(of + ": expected at most " + std::to_string(most) + " bytes, found " +
           std::to_string(length));
    }
    const std::byte* text = Take(length, of);
    return {reinterpret_cast<const char*>(text), length};
  }

  // A key or a tensor's name.
  std::string Name(uint64_t most, const std::string& of) {
    const std::string_view name = Text(most, of);
    if (name.empty()) Fail(of + ": expected a name, found none");
    if (name.find('\0') != std::string_view::npos || !IsValidUtf8(name)) {
      Fail(of + ": expected UTF-8 without NUL, found " + Quoted(name));
    }
    return std::string(name);
  }

  void ReadHeader() {
    if (std::memcmp(Take(4, "the header"), gguf::kMagic, 4) != 0) {
      Fail("expected a GGUF file, which begins with GGUF");
    }
    gguf_.version_ = Number<uint32_t>("the version");
    if (gguf_.version_ != 2 && gguf_.version_ != gguf::kVersion) {
      const bool swapped = gguf_.version_ != 0 && gguf_.version_ % 65536 == 0;
      Fail(
          "expected GGUF version 2 or 3, found " +
          (swapped ? "one in big-endian byte order" : "version " + std::to_string(gguf_.version_)));
    }
  }

  uint64_t Counted(uint64_t most, const std::string& what) {
    const auto count = Number<uint64_t>("the number of " + what);
    if (count > most) {
      Fail("expected at most " + std::to_string(most) + " " + what + ", found " +
           std::to_string(count));
    }
    return count;
  }

  ValueType Type(const std::string& of) {
    const auto type = Number<uint32_t>(of);
    if (type > static_cast<uint32_t>(ValueType::kFloat64)) {
      Fail(of + ": expected a type from 0 to 12, found " + std::to_string(type));
    }
    return static_cast<ValueType>(type);
  }

  void ReadKey() {
    const std::string key = Name(kMostKeyBytes, "a key");
    GgufValue value;
    value.where_ = gguf_.file_.path().string() + ": " + key;
    value.type_ = Type(key);
    value.is_array_ = value.type_ == ValueType::kArray;
    if (value.is_array_) {
      ReadArray(key, value);
    } else {
      ReadScalar(key, value);
    }
    if (!gguf_.metadata_.emplace(key, std::move(value)).second) {
      Fail("key " + Quoted(key) + ": found twice");
    }
  }

  void ReadScalar(const std::string& key, GgufValue& value) {
    if (value.type_ == ValueType::kString) {
      value.bytes_ = std::as_bytes(std::span(Text(kMostStringBytes, key)));
    } else {
      value.bytes_ = {Take(SizeOf(value.type_), key), SizeOf(value.type_)};
    }
  }

  void ReadArray(const std::string& key, GgufValue& value) {
    value.type_ = Type(key + ": its elements");
    if (value.type_ == ValueType::kArray) Fail(key + ": expected no array of arrays, found one");
    value.count_ = Number<uint64_t>(key);
    if (value.count_ > kMostElements) {
      Fail(key + ": expected at most " + std::to_string(kMostElements) + " elements, found " +
           std::to_string(value.count_));
    }
    const uint64_t begin = at_;
    if (value.type_ == ValueType::kString) {
      for (uint64_t i = 0; i < value.count_; ++i) Text(kMostStringBytes, key);
    } else {
      Take(value.count_ * SizeOf(value.type_), key);  // no more than 2^27
    }
    value.bytes_ = bytes_.subspan(begin, at_ - begin);
  }

  uint64_t Alignment() const {
    const GgufValue* value = gguf_.Find(gguf::kAlignmentKey);
    if (value == nullptr) return gguf::kDefaultAlignment;
    const std::string expected = "a power of two in [" + std::to_string(kLeastAlignment) + ", " +
                                 std::to_string(kMostAlignment) + "] as uint32";
    if (value->IsArray() || value->type_ != ValueType::kUint32) value->Fail(expected);
    const auto alignment = Load<uint32_t>(value->bytes_.data());
    if (alignment < kLeastAlignment || alignment > kMostAlignment ||
        (alignment & (alignment - 1)) != 0) {
      value->Fail(expected);
    }
    return alignment;
  }

  void ReadEntry() {
    Entry entry;
    entry.name = Name(kMostNameBytes, "a tensor's name");
    const std::string of = "tensor '" + entry.name + "'";
    const auto rank = Number<uint32_t>(of);
    if (rank < 1 || rank > kMostDims) {
      Fail(of + ": expected 1 to 4 dimensions, found " + std::to_string(rank));
    }
    std::vector<int64_t> dims;
    std::optional<uint64_t> elements = 1;
    for (uint32_t i = 0; i < rank; ++i) {
      const auto dim = Number<uint64_t>(of);
      elements = elements ? CheckedMul(*elements, dim) : elements;
      if (dim == 0 || !elements || *elements > kMostPerTensor) {
        Fail(of + ": expected dimensions from 1 on of at most 2^48 elements, found " +
             std::to_string(dim) + " as number " + std::to_string(i + 1));
      }
      dims.insert(dims.begin(), static_cast<int64_t>(dim));
    }
    const auto type = Number<uint32_t>(of);
    const std::optional<DType> dtype = gguf::DTypeOf(type);
    if (!dtype) {
      Fail(of +
           ": expected an element type that is read here (F32, F16, BF16, Q8_0, Q4_0, Q4_1, "
           "Q5_0, Q5_1, Q2_K to Q6_K, IQ4_NL, IQ4_XS), found " +
           gguf::TensorTypeName(type));
    }
    const int64_t per_block = IsBlocks(*dtype) ? blocks::LayoutOf(*dtype).elements : 1;
    if (dims.back() % per_block != 0) {
      Fail(of + ": expected rows of whole blocks of " + std::to_string(per_block) + " in " +
           DTypeName(*dtype) + ", found rows of " + std::to_string(dims.back()));
    }
    entry.view = {*dtype, Shape(std::move(dims)), nullptr};
    entry.offset = Number<uint64_t>(of);
    if (entry.offset % alignment_ != 0) {
      Fail(of + ": expected its data at a multiple of " + std::to_string(alignment_) +
           ", found it at " + std::to_string(entry.offset));
    }
    entries_.push_back(std::move(entry));
  }

  // The data part begins at the next multiple of the alignment.
  void PlaceTensors() {
    const uint64_t data = (at_ + alignment_ - 1) / alignment_ * alignment_;
    std::sort(entries_.begin(), entries_.end(),
              [](const Entry& a, const Entry& b) { return a.offset < b.offset; });
    uint64_t free_from = 0;
    for (Entry& entry : entries_) {
      const std::string of = "tensor '" + entry.name + "'";
      const auto begin = CheckedAdd(data, entry.offset);
      const auto end = begin ? CheckedAdd(*begin, entry.view.bytes()) : begin;
      if (!end || *end > bytes_.size()) {
        Fail(of + ": its data ends at byte " + (end ? std::to_string(*end) : "2^64 and more") +
             " but the file has " + std::to_string(bytes_.size()) + "; is the download complete?");
      }
      if (entry.offset < free_from) {
        Fail(of + ": its data at " + std::to_string(entry.offset) +
             " lies over another tensor's, which ends at " + std::to_string(free_from));
      }
      free_from = entry.offset + entry.view.bytes();
      entry.view.data = bytes_.data() + *begin;
      if (!gguf_.tensors_.emplace(entry.name, entry.view).second) Fail(of + ": found twice");
    }
  }

  Gguf& gguf_;
  std::span<const std::byte> bytes_;
  uint64_t at_ = 0;
  uint64_t alignment_ = gguf::kDefaultAlignment;
  std::vector<Entry> entries_;
};

Gguf::Gguf(const std::filesystem::path& path) : file_(path) {
  Parser(*this).Parse();
}

bool Gguf::Recognizes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  char begin[4] = {};
  return file.read(begin, sizeof(begin)) && std::memcmp(begin, gguf::kMagic, sizeof(begin)) == 0;
}

const GgufValue* Gguf::Find(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

}  // namespace gemma3n
