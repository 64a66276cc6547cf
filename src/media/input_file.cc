// SPDX-License-Identifier: Apache-2.0
#include "media/input_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "media/media_error.h"

namespace gemma3n {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = other.Release();
  }
  return *this;
}

void Descriptor::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

int Descriptor::Release() {
  return std::exchange(fd_, -1);
}

InputFile OpenInputFile(const std::filesystem::path& path, uint64_t max_bytes) {
  // O_NONBLOCK: opening a FIFO nobody writes to must not wait.
  Descriptor descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (descriptor.get() < 0) ThrowMedia(path.string(), std::strerror(errno));
  return CheckInputFile(std::move(descriptor), path.string(), max_bytes);
}

InputFile CheckInputFile(Descriptor descriptor, const std::string& name, uint64_t max_bytes) {
  InputFile file{std::move(descriptor), 0};
  struct stat status;
  if (fstat(file.descriptor.get(), &status) != 0) ThrowMedia(name, std::strerror(errno));
  if (S_ISDIR(status.st_mode)) ThrowMedia(name, "expected a file, found a directory");
  if (!S_ISREG(status.st_mode)) ThrowMedia(name, "expected a regular file, found a device or pipe");
  if (status.st_size == 0) ThrowMedia(name, "the file is empty");
  file.bytes = static_cast<uint64_t>(status.st_size);
  if (file.bytes > max_bytes) {
    ThrowMedia(name, "the file has " + std::to_string(file.bytes) + " bytes, the limit is " +
                         std::to_string(max_bytes));
  }
  return file;
}

std::vector<uint8_t> ReadStart(const InputFile& file, const std::string& name, uint64_t count) {
  std::vector<uint8_t> bytes(std::min(file.bytes, count));
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = pread(file.descriptor.get(), bytes.data() + have, bytes.size() - have,
                              static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) ThrowMedia(name, std::strerror(errno));
    if (got == 0) break;  // the file became shorter meanwhile
    have += static_cast<size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

Descriptor MemoryFile(std::span<const uint8_t> bytes) {
  Descriptor file(memfd_create("gemma3n-media", MFD_CLOEXEC));
  if (file.get() < 0) throw Error(ErrorKind::kResources, "cannot make a file in memory");
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = write(file.get(), bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) throw Error(ErrorKind::kResources, "not enough memory to hold a media file");
    done += static_cast<size_t>(wrote);
  }
  lseek(file.get(), 0, SEEK_SET);
  return file;
}

Descriptor CopyDescriptor(int fd, const std::string& name) {
  Descriptor copy(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (copy.get() < 0) ThrowMedia(name, std::strerror(errno));
  return copy;
}

bool IsFileAtStart(int fd, const std::string& name, const std::string& expected) {
  struct stat status;
  if (fstat(fd, &status) != 0) ThrowMedia(name, std::strerror(errno));
  if (S_ISDIR(status.st_mode)) ThrowMedia(name, "expected " + expected + ", found a directory");
  if (isatty(fd) == 1) ThrowMedia(name, "expected " + expected + ", found a terminal");
  return S_ISREG(status.st_mode) && lseek(fd, 0, SEEK_CUR) == 0;
}

}  // namespace gemma3n
