// SPDX-License-Identifier: Apache-2.0
#include "cli/media_files.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <fstream>

#include "gemma3n/error.h"

namespace gemma3n::cli {

namespace fs = std::filesystem;

MediaKind KindOf(const std::string& path) {
  // A pipe that nobody writes into would be waited for.
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return MediaKind::kUnknown;
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> head(4096);
  file.read(reinterpret_cast<char*>(head.data()), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
  return DetectMediaKind(head).kind;
}

bool LooksLikeMedia(const std::string& word) {
  static const std::set<std::string> kEndings = {
      ".png", ".jpg",  ".jpeg", ".webp", ".gif", ".heic", ".bmp", ".tiff", ".wav",  ".flac",
      ".mp3", ".opus", ".ogg",  ".m4a",  ".aac", ".mp4",  ".mkv", ".mov",  ".webm", ".avi"};
  if (word.find_first_of(" \t\n") != std::string::npos) return false;
  std::string ending = fs::path(word).extension();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return kEndings.count(ending) > 0;
}

std::vector<std::string> FilesIn(const std::string& folder, const std::set<MediaKind>& kinds,
                                 const std::string& what) {
  std::vector<std::string> found;
  std::error_code error;
  constexpr auto kSkip = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator at(folder, kSkip, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored) && kinds.count(KindOf(at->path())) > 0) {
      found.push_back(at->path());
    }
  }
  if (found.empty()) {
    throw Error(ErrorKind::kMedia, folder + ": expected " + what + " in it, found none");
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace gemma3n::cli
