// SPDX-License-Identifier: Apache-2.0
#include "server/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "gemma3n/error.h"
#include "server/socket.h"

namespace gemma3n::server {
namespace {

constexpr off_t kMostBytes = 64 << 10;

[[noreturn]] void Fail(const std::filesystem::path& path) {
  throw Error(ErrorKind::kResources, path.string() +
                                         ": cannot be written: " + std::strerror(errno) +
                                         "; --state-directory names another place");
}

}  // namespace

std::optional<std::string> ReadPrivateFile(const std::filesystem::path& path) {
  const Socket file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat facts {};
  if (file.descriptor() < 0 || fstat(file.descriptor(), &facts) != 0) return std::nullopt;
  const bool is_ours = S_ISREG(facts.st_mode) && facts.st_uid == geteuid() &&
                       (facts.st_mode & (S_IRWXG | S_IRWXO)) == 0;
  if (!is_ours || facts.st_size > kMostBytes) return std::nullopt;
  std::string text(static_cast<size_t>(facts.st_size), '\0');
  if (read(file.descriptor(), text.data(), text.size()) != facts.st_size) return std::nullopt;
  return text;
}

void WritePrivateFile(const std::filesystem::path& path, const std::string& text) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  const std::string part = path.string() + "." + std::to_string(getpid());
  unlink(part.c_str());
  {
    const Socket file(open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.descriptor() < 0) Fail(path);
    if (write(file.descriptor(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        fsync(file.descriptor()) != 0) {
      const int why = errno;
      unlink(part.c_str());
      errno = why;
      Fail(path);
    }
  }
  if (rename(part.c_str(), path.c_str()) != 0) Fail(path);
}

}  // namespace gemma3n::server
