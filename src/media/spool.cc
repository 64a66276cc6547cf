// SPDX-License-Identifier: Apache-2.0
#include "media/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "media/media_error.h"

namespace gemma3n {
namespace {

constexpr size_t kPieceBytes = 1 << 20;

// Null where no file can be made. Not every file system knows nameless files.
Descriptor NamelessFile(const std::string& directory) {
  Descriptor file(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file.get() >= 0) return file;
  std::string path = directory + "/gemma3n-sound-XXXXXX";
  file = Descriptor(mkostemp(path.data(), O_CLOEXEC));
  if (file.get() >= 0) unlink(path.c_str());
  return file;
}

Descriptor TemporaryFile(const std::string& name) {
  const char* chosen = std::getenv("TMPDIR");
  std::vector<std::string> directories = {"/var/tmp", "/tmp"};
  if (chosen != nullptr && *chosen != 0) directories = {chosen};
  for (const std::string& directory : directories) {
    Descriptor file = NamelessFile(directory);
    if (file.get() >= 0) return file;
  }
  throw Error(ErrorKind::kResources, name + ": cannot make a temporary file in " +
                                         directories.back() + ": " + std::strerror(errno) +
                                         "; set TMPDIR to a directory that can be written to");
}

void WriteAll(int fd, const uint8_t* bytes, size_t count, const std::string& name) {
  while (count > 0) {
    const ssize_t wrote = write(fd, bytes, count);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      throw Error(ErrorKind::kResources,
                  name + ": cannot be kept in a temporary file: " + std::strerror(errno) +
                      "; set TMPDIR to a directory with more room");
    }
    bytes += wrote;
    count -= static_cast<size_t>(wrote);
  }
}

}  // namespace

InputFile Spool(ByteSource& source, const std::string& name, uint64_t most_bytes) {
  InputFile file{TemporaryFile(name), 0};
  std::vector<uint8_t> piece(kPieceBytes);
  while (const size_t got = source.Read(piece.data(), piece.size())) {
    file.bytes += got;
    if (file.bytes > most_bytes) {
      ThrowMedia(name, "sound of this format is first kept in a temporary file, whose limit is " +
                           std::to_string(most_bytes) + " bytes; save it as a file and read that");
    }
    WriteAll(file.descriptor.get(), piece.data(), got, name);
  }
  return file;
}

}  // namespace gemma3n
