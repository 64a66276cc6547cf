// SPDX-License-Identifier: Apache-2.0
#include "convert/gguf_writer.h"

#include "base/check.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

using gguf::ValueType;

constexpr uint64_t kAlignment = gguf::kDefaultAlignment;

uint64_t RoundUp(uint64_t value) {
  return (value + kAlignment - 1) / kAlignment * kAlignment;
}

// Little-endian, as the machines are that this runs on.
template <class T>
void Put(T value, std::string& out) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void PutText(const std::string& text, std::string& out) {
  Put(static_cast<uint64_t>(text.size()), out);
  out += text;
}

constexpr uint32_t Number(ValueType type) {
  return static_cast<uint32_t>(type);
}

}  // namespace

void GgufMetadata::Begin(const std::string& key, uint32_t type) {
  PutText(key, bytes_);
  Put(type, bytes_);
  ++count_;
}

void GgufMetadata::BeginArray(const std::string& key, uint32_t type, uint64_t size) {
  Begin(key, Number(ValueType::kArray));
  Put(type, bytes_);
  Put(size, bytes_);
}

void GgufMetadata::AddUint(const std::string& key, uint64_t value) {
  CHECK_LE(value, UINT32_MAX);
  Begin(key, Number(ValueType::kUint32));
  Put(static_cast<uint32_t>(value), bytes_);
}

void GgufMetadata::AddInt(const std::string& key, int32_t value) {
  Begin(key, Number(ValueType::kInt32));
  Put(value, bytes_);
}

void GgufMetadata::AddFloat(const std::string& key, double value) {
  Begin(key, Number(ValueType::kFloat32));
  Put(static_cast<float>(value), bytes_);
}

void GgufMetadata::AddBool(const std::string& key, bool value) {
  Begin(key, Number(ValueType::kBool));
  Put(static_cast<uint8_t>(value), bytes_);
}

void GgufMetadata::AddText(const std::string& key, const std::string& value) {
  Begin(key, Number(ValueType::kString));
  PutText(value, bytes_);
}

void GgufMetadata::AddUints(const std::string& key, const std::vector<int64_t>& values) {
  BeginArray(key, Number(ValueType::kUint32), values.size());
  for (const int64_t value : values) {
    CHECK(value >= 0 && value <= UINT32_MAX);
    Put(static_cast<uint32_t>(value), bytes_);
  }
}

void GgufMetadata::AddInts(const std::string& key, const std::vector<int32_t>& values) {
  BeginArray(key, Number(ValueType::kInt32), values.size());
  for (const int32_t value : values) Put(value, bytes_);
}

void GgufMetadata::AddFloats(const std::string& key, const std::vector<float>& values) {
  BeginArray(key, Number(ValueType::kFloat32), values.size());
  for (const float value : values) Put(value, bytes_);
}

void GgufMetadata::AddBools(const std::string& key, const std::vector<bool>& values) {
  BeginArray(key, Number(ValueType::kBool), values.size());
  for (const bool value : values) Put(static_cast<uint8_t>(value), bytes_);
}

void GgufMetadata::AddTexts(const std::string& key, const std::vector<std::string>& values) {
  BeginArray(key, Number(ValueType::kString), values.size());
  for (const std::string& value : values) PutText(value, bytes_);
}

void GgufMetadata::AddCopy(const std::string& key, const GgufValue& value) {
  PutText(key, bytes_);
  value.AppendTo(bytes_);
  ++count_;
}

GgufWriter::GgufWriter(const std::filesystem::path& path, GgufMetadata metadata,
                       const std::vector<Tensor>& tensors)
    : path_(path), temporary_(path.string() + ".part"), metadata_(std::move(metadata)) {
  uint64_t at = 0;
  for (const Tensor& tensor : tensors) {
    tensors_.push_back({tensor, at});
    at = RoundUp(at + tensor.bytes);
  }
  const std::string header = Header();  // as long as the one that Finish writes
  begin_ = header.size();
  total_ = begin_ + at;
  file_.open(temporary_, std::ios::binary);
  file_ << header;
  Check();
}

GgufWriter::~GgufWriter() {
  if (finished_) return;
  file_.close();
  std::error_code ignored;
  std::filesystem::remove(temporary_, ignored);
}

void GgufWriter::Check() {
  if (!file_) {
    throw Error(ErrorKind::kResources, path_.string() + ": cannot be written; is the disk full?");
  }
}

std::string GgufWriter::Header() const {
  std::string header(gguf::kMagic, 4);
  Put(gguf::kVersion, header);
  Put(static_cast<uint64_t>(tensors_.size()), header);
  Put(metadata_.count(), header);
  header += metadata_.bytes();
  for (const Placed& tensor : tensors_) {
    PutText(tensor.name, header);
    const std::vector<int64_t>& dims = tensor.shape.dims();
    Put(static_cast<uint32_t>(dims.size()), header);
    for (size_t i = dims.size(); i-- > 0;) Put(static_cast<uint64_t>(dims[i]), header);
    Put(gguf::TensorTypeOf(tensor.dtype), header);
    Put(tensor.offset, header);
  }
  header.resize(RoundUp(header.size()), '\0');
  return header;
}

void GgufWriter::Write(std::span<const std::byte> bytes) {
  CHECK_LT(current_, tensors_.size());
  const Placed& tensor = tensors_[current_];
  CHECK_LE(at_ + bytes.size(), tensor.offset + tensor.bytes);
  file_.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  at_ += bytes.size();
  if (at_ == tensor.offset + tensor.bytes) {
    ++current_;
    file_ << std::string(RoundUp(at_) - at_, '\0');
    at_ = RoundUp(at_);
  }
  Check();
}

void GgufWriter::BeginAnew(DType dtype) {
  CHECK_LT(current_, tensors_.size());
  Placed& tensor = tensors_[current_];
  CHECK_EQ(ElementSize(dtype), ElementSize(tensor.dtype));
  tensor.dtype = dtype;
  at_ = tensor.offset;
  file_.seekp(static_cast<std::streamoff>(begin_ + at_));
  Check();
}

void GgufWriter::Finish() {
  CHECK_EQ(current_, tensors_.size());
  file_.seekp(0);
  file_ << Header();
  file_.close();
  Check();
  std::filesystem::rename(temporary_, path_);
  finished_ = true;
}

}  // namespace gemma3n
