// SPDX-License-Identifier: Apache-2.0
#include "cli/paste.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/options.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

void Remove(std::string& text, const std::string& part) {
  for (size_t at; (at = text.find(part)) != std::string::npos;) text.erase(at, part.size());
}

std::string Base64(const std::string& bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t j = 0; j < 3; ++j) {
      three = three << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0);
    }
    for (size_t j = 0; j < 4; ++j) {
      text += i + j > bytes.size() ? '=' : kDigits[three >> (18 - 6 * j) & 63];
    }
  }
  return text;
}

// A file of our own that goes when we do.
class TemporaryFile {
 public:
  TemporaryFile() : path_(std::filesystem::temp_directory_path() / "gemma3n-XXXXXX") {
    const int file = mkstemp(path_.data());
    if (file < 0) throw Error(ErrorKind::kResources, path_ + ": cannot be made");
    close(file);
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Runs a program to its end: true when it succeeded. It hears the signals that we do not.
bool RunProgram(char* const* arguments) {
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &ours);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  int status = 1;
  const int failed = posix_spawnp(&child, arguments[0], nullptr, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) return false;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status == 0;
}

}  // namespace

std::string PlainPath(const std::string& typed) {
  std::string text = typed;
  Remove(text, "\x1b[200~");
  Remove(text, "\x1b[201~");
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  text = text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
  const char quote = text[0];
  if ((quote == '"' || quote == '\'') && text.size() > 1 && text.back() == quote) {
    return text.substr(1, text.size() - 2);
  }
  std::string path;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    path += text[i];
  }
  return path;
}

void CopyToClipboard(const std::string& text) {
  if (!TakesEscapeCodes(STDOUT_FILENO)) {
    throw Error(ErrorKind::kUsage, "/copy: expected a terminal that has a clipboard, found none");
  }
  Put("\x1b]52;c;" + Base64(text) + "\x07");
}

std::string EditText(const std::string& text) {
  std::string editor = "vi";
  for (const char* name : {"EDITOR", "VISUAL"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') editor = value;
  }
  const TemporaryFile file;
  std::ofstream(file.path(), std::ios::binary) << text;
  // $EDITOR may hold arguments; the shell takes it apart.
  std::string script = editor + " \"$1\"", path = file.path();
  char shell[] = "sh", option[] = "-c";
  char* arguments[] = {shell, option, script.data(), shell, path.data(), nullptr};
  const bool edited = RunProgram(arguments);
  ClearInterrupt();  // Ctrl-C in the editor was the editor's
  if (!edited) throw Error(ErrorKind::kUsage, editor + ": the editor failed; nothing changed");
  return TextOrFile("@" + file.path());
}

}  // namespace gemma3n::cli
