// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "gemma3n/error.h"

namespace gemma3n {

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const auto fail = [&](const std::string& what) {
    if (descriptor_ >= 0) close(descriptor_);
    throw Error(ErrorKind::kModel, path.string() + ": " + what);
  };
  // Not to be held up by a FIFO before the check that this is a plain file.
  descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) fail(std::string("cannot be opened: ") + std::strerror(errno));
  struct stat status;
  if (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) fail("is not a plain file");
  if (status.st_size == 0) fail("is empty; is the download complete?");
  stamp_ = ReadStamp();
  size_ = static_cast<size_t>(stamp_.size);
  void* mapped = mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor_, 0);
  if (mapped == MAP_FAILED) fail(std::string("cannot be mapped: ") + std::strerror(errno));
  data_ = static_cast<const std::byte*>(mapped);
  guard_ = std::make_unique<MappingGuard>(bytes(), path.string());
}

MappedFile::~MappedFile() {
  guard_.reset();
  munmap(const_cast<std::byte*>(data_), size_);
  close(descriptor_);
}

MappedFile::Stamp MappedFile::ReadStamp() const {
  struct stat status = {};
  fstat(descriptor_, &status);  // of an open plain file: where it fails, the stamp differs
  return {status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

void MappedFile::CheckUnchanged() const {
  const Stamp now = ReadStamp();
  if (now == stamp_) return;
  throw Error(ErrorKind::kModel,
              "model file changed on disk while in use: " + path_.string() +
                  (now.size == stamp_.size ? ": it was written to"
                                           : ": expected " + std::to_string(stamp_.size) +
                                                 " bytes, found " + std::to_string(now.size)) +
                  "; start again to load it anew");
}

void MappedFile::Advise(std::span<const std::byte> part, Advice advice) const {
  if (part.empty()) return;
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(part.data()) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(part.data() + part.size());
  const int how = advice == Advice::kRandom     ? MADV_RANDOM
                  : advice == Advice::kWillNeed ? MADV_WILLNEED
                                                : MADV_DONTNEED;
  madvise(reinterpret_cast<void*>(begin), end - begin, how);  // a hint: failing it changes nothing
}

}  // namespace gemma3n
