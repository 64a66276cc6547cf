// SPDX-License-Identifier: Apache-2.0
#include "server/model_card.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <vector>

namespace gemma3n::server {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> FilesOf(const ServerOptions& options) {
  std::vector<fs::path> files;
  std::error_code ignored;
  if (fs::is_directory(options.model, ignored)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(options.model)) {
      if (entry.is_regular_file(ignored)) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(options.model);
  }
  if (!options.projector.empty()) files.push_back(options.projector);
  return files;
}

// FNV-1a, 64 bits.
uint64_t Hash(const std::string& text, uint64_t hash) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash;
}

std::string DigestOf(const std::string& text) {
  std::string digest;
  for (uint64_t part = 0; part < 4; ++part) {
    char digits[24];
    std::snprintf(digits, sizeof(digits), "%016llx",
                  static_cast<unsigned long long>(Hash(text, 0xcbf29ce484222325ull + part)));
    digest += digits;
  }
  return digest;
}

std::string FormatOf(const fs::path& model) {
  std::error_code ignored;
  if (fs::is_directory(model, ignored)) return "safetensors";
  return model.extension() == ".gguf" ? "gguf" : "packed";
}

}  // namespace

std::string CountText(int64_t parameters) {
  const bool billions = parameters >= 1'000'000'000;
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f%s",
                static_cast<double>(parameters) / (billions ? 1e9 : 1e6), billions ? "B" : "M");
  return text;
}

ModelCard CardOf(const ServerOptions& options) {
  ModelCard card{.report = Inspect(options.model, /*read_all=*/false, nullptr, options.projector)};
  card.format = FormatOf(options.model);
  card.parameter_size = CountText(card.report.total);
  std::string about;
  fs::file_time_type newest = fs::file_time_type::min();
  for (const fs::path& file : FilesOf(options)) {
    std::error_code error;
    const fs::file_time_type time = fs::last_write_time(file, error);
    const uintmax_t size = error ? 0 : fs::file_size(file, error);
    if (error) continue;
    newest = std::max(newest, time);
    about += file.filename().string() + '\n' + std::to_string(size) + '\n' +
             std::to_string(time.time_since_epoch().count()) + '\n';
  }
  card.modified_at = std::chrono::time_point_cast<std::chrono::system_clock::duration>(
      std::chrono::file_clock::to_sys(newest));
  card.digest = DigestOf(about);
  return card;
}

}  // namespace gemma3n::server
