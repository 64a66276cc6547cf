// SPDX-License-Identifier: Apache-2.0
// A path a user gave -> an open descriptor of a regular file, or all of its bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace gemma3n {

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor() { Close(); }

  int get() const { return fd_; }
  void Close();
  int Release();

 private:
  int fd_ = -1;
};

// Opens for reading, close-on-exec, without waiting; checks on the same descriptor that it is a
// regular file of 1 to `max_bytes` bytes. Throws Error(kMedia).
struct InputFile {
  Descriptor descriptor;
  uint64_t bytes = 0;
};
InputFile OpenInputFile(const std::filesystem::path& path, uint64_t max_bytes);
// The checks alone.
InputFile CheckInputFile(Descriptor descriptor, const std::string& name, uint64_t max_bytes);

// Up to `count` bytes from the start of the file: fewer if it is shorter. Throws Error(kMedia).
std::vector<uint8_t> ReadStart(const InputFile& file, const std::string& name, uint64_t count);

// Another one of what `fd` is, close-on-exec. Throws Error(kMedia).
Descriptor CopyDescriptor(int fd, const std::string& name);

// Whether it is a whole file that stands at its start, as the shell's `< file` gives it: no need to
// take it for a pipe. Throws Error(kMedia) for a directory and a terminal: `expected` ("sound") is
// not in them.
bool IsFileAtStart(int fd, const std::string& name, const std::string& expected);

// A descriptor over a copy of `bytes` in memory, close-on-exec. Throws Error(kResources).
Descriptor MemoryFile(std::span<const uint8_t> bytes);

}  // namespace gemma3n
