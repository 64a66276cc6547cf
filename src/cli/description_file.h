// SPDX-License-Identifier: Apache-2.0
// What is written down of pictures and films: text or JSON, as it comes, on standard output or in a
// file; and a film's chapters in forms that other programs read.
#pragma once

#include <fstream>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "gemma3n/describe.h"

namespace gemma3n::cli {

enum class DescriptionFormat { kText, kJson, kJsonLines };

// Lines of JSON for `json` without a file; else by the ending of the file's name.
DescriptionFormat DescriptionFormatOf(bool json, const std::string& path);

class DescriptionFile {
 public:
  // `path` empty: standard output. A file is FILE.part until it is finished. Throws Error (kUsage)
  // when it cannot be written.
  DescriptionFile(std::string path, DescriptionFormat format, bool raw_output);

  // Text as it comes; nothing where the format is JSON. False when it cannot be written.
  bool Text(const std::string& text);
  // One object; nothing where the format is text.
  bool Object(const nlohmann::ordered_json& object);
  // Gives the file its name. Throws Error (kResources) when it cannot be written.
  void Finish();

  bool is_text() const { return format_ == DescriptionFormat::kText; }

 private:
  bool Write(const std::string& text);

  std::string path_;
  DescriptionFormat format_;
  bool raw_output_;
  std::ofstream file_;
  int64_t objects_ = 0;
};

nlohmann::ordered_json WindowAsJson(const std::string& source, const FilmWindow& window);
nlohmann::ordered_json ReportAsJson(const std::string& source, const FilmReport& report);
// The summary and the chapters.
std::string ReportAsText(const FilmReport& report);

// WebVTT as players take it for chapters.
std::string ChaptersAsVtt(const std::vector<Chapter>& chapters);
// The metadata file that `ffmpeg -i FILM -i THIS -map_metadata 1` puts into a film.
std::string ChaptersAsFfmetadata(const std::vector<Chapter>& chapters);

}  // namespace gemma3n::cli
