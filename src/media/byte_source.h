// SPDX-License-Identifier: Apache-2.0
// Bytes one after the other, from memory, a file or a pipe. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "media/input_file.h"

namespace gemma3n {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Up to `count` bytes: what there is, at least one, waiting for it where it is still to come; 0
  // at the end. Throws Error(kMedia).
  virtual size_t Read(void* to, size_t count) = 0;

  // How many are left; none when nobody knows.
  virtual std::optional<uint64_t> left() const { return std::nullopt; }

  // Passes over `count` bytes, or over those that are left.
  virtual void Skip(uint64_t count);

  // Fewer than `count` at the end only.
  size_t ReadFully(void* to, size_t count);
};

// Bytes that can be read at any place.
class SeekableSource : public ByteSource {
 public:
  explicit SeekableSource(uint64_t size) : size_(size) {}

  uint64_t size() const { return size_; }
  uint64_t position() const { return position_; }
  void Seek(uint64_t position) { position_ = position < size_ ? position : size_; }

  size_t Read(void* to, size_t count) override;
  std::optional<uint64_t> left() const override { return size_ - position_; }
  void Skip(uint64_t count) override;

 private:
  // Reads 1 to `count` bytes that lie within the size, or throws.
  virtual size_t ReadAt(uint64_t position, void* to, size_t count) = 0;

  uint64_t size_, position_ = 0;
};

class MemorySource : public SeekableSource {
 public:
  // `bytes` must stay where they are.
  explicit MemorySource(std::span<const uint8_t> bytes)
      : SeekableSource(bytes.size()), bytes_(bytes) {}

 private:
  size_t ReadAt(uint64_t position, void* to, size_t count) override;

  std::span<const uint8_t> bytes_;
};

// The bytes that a file had when it was opened. If it becomes shorter, Read throws.
class FileSource : public SeekableSource {
 public:
  FileSource(InputFile file, std::string name)
      : SeekableSource(file.bytes), file_(std::move(file)), name_(std::move(name)) {}

 private:
  size_t ReadAt(uint64_t position, void* to, size_t count) override;

  InputFile file_;
  std::string name_;
};

// Standard input, a pipe, a socket: what others write, once.
class PipeSource : public ByteSource {
 public:
  // Throws Error(kMedia) from Read and Peek when more than `most_bytes` come, and in place of
  // waiting once `stop`, a descriptor that stays the caller's, is readable; -1: none.
  PipeSource(Descriptor pipe, std::string name, uint64_t most_bytes, int stop = -1)
      : pipe_(std::move(pipe)), name_(std::move(name)), most_bytes_(most_bytes), stop_(stop) {}

  size_t Read(void* to, size_t count) override;

  // The first `count` bytes, fewer if it ends before; Read gives them again. Only before Read.
  std::span<const uint8_t> Peek(size_t count);

 private:
  size_t ReadPipe(void* to, size_t count);
  void Wait();

  Descriptor pipe_;
  std::string name_;
  uint64_t most_bytes_, read_bytes_ = 0;
  int stop_;
  std::vector<uint8_t> peeked_;
  size_t peeked_used_ = 0;
};

}  // namespace gemma3n
