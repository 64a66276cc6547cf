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
    throw Error(ErrorKind::kModel, path.string() + ": " + what);
  };
  // Not to be held up by a FIFO before the check that this is a plain file.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail(std::string("cannot be opened: ") + std::strerror(errno));
  struct stat status;
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor);
    fail("is not a plain file");
  }
  if (status.st_size == 0) {
    close(descriptor);
    fail("is empty; is the download complete?");
  }
  size_ = static_cast<size_t>(status.st_size);
  void* mapped = mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0);
  const int error = errno;
  close(descriptor);
  if (mapped == MAP_FAILED) fail(std::string("cannot be mapped: ") + std::strerror(error));
  data_ = static_cast<const std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
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
