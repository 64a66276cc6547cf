// SPDX-License-Identifier: Apache-2.0
#include "cli/error_report.h"

#include <filesystem>
#include <fstream>
#include <new>
#include <optional>
#include <sstream>
#include <thread>

#include "cli/terminal.h"

namespace gemma3n::cli {
namespace {

std::optional<std::string> details;  // the settings; unset: none are wanted

const char* KindName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return "usage";
    case ErrorKind::kModel:
      return "model";
    case ErrorKind::kMedia:
      return "media";
    case ErrorKind::kRequest:
      return "request";
    case ErrorKind::kResources:
      return "resources";
    case ErrorKind::kInternal:
      return "internal";
  }
  return "?";
}

// The lines of a file of the system that begin with one of these words, white space made plain.
std::string LinesOf(const char* path, std::initializer_list<const char*> words) {
  std::ifstream file(path);
  std::string found;
  for (std::string line; std::getline(file, line);) {
    for (const char* word : words) {
      if (line.rfind(word, 0) != 0) continue;
      std::istringstream pieces(line);
      std::string plain;
      for (std::string piece; pieces >> piece;) plain += (plain.empty() ? "" : " ") + piece;
      found += (found.empty() ? "" : ", ") + plain;
    }
  }
  return found;
}

void TellMore(ErrorKind kind) {
  if (!details) return;
  const auto tell = [](const std::string& text) { Tell("debug: " + text); };
  std::error_code ignored;
  tell(std::string("kind ") + KindName(kind) + ", exit code " + std::to_string(ExitCode(kind)));
  tell("gemma3n " GEMMA3N_VERSION ", compiler " __VERSION__);
  tell("directory " + std::filesystem::current_path(ignored).string());
  tell(std::to_string(std::thread::hardware_concurrency()) + " processors; " +
       LinesOf("/proc/meminfo", {"MemTotal:", "MemAvailable:"}) + "; this process " +
       LinesOf("/proc/self/status", {"VmPeak:", "VmHWM:"}));
  std::istringstream settings(*details);
  for (std::string line; std::getline(settings, line);) {
    if (!line.empty()) tell(line);
  }
}

}  // namespace

void TellDetails(std::string settings) {
  details = std::move(settings);
}

int ExitCode(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
    case ErrorKind::kRequest:
      return 2;
    case ErrorKind::kModel:
      return 3;
    case ErrorKind::kMedia:
      return 4;
    case ErrorKind::kResources:
      return 5;
    case ErrorKind::kInternal:
      return 1;
  }
  return 1;
}

int Report(const std::exception& error, const std::string& prefix) {
  const auto* ours = dynamic_cast<const Error*>(&error);
  const bool memory = dynamic_cast<const std::bad_alloc*>(&error) != nullptr;
  const ErrorKind kind = ours != nullptr ? ours->kind()
                         : memory        ? ErrorKind::kResources
                                         : ErrorKind::kInternal;
  Tell(prefix + (memory ? "not enough memory" : error.what()));
  TellMore(kind);
  return ExitCode(kind);
}

}  // namespace gemma3n::cli
