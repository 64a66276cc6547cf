// SPDX-License-Identifier: Apache-2.0
#include "cli/description_file.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/terminal.h"
#include "cli/transcript.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string Dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

double Rounded(double seconds) {
  return std::round(seconds * 1000) / 1000;
}

std::string Temporary(const std::string& path) {
  return path + ".part";
}

}  // namespace

DescriptionFormat DescriptionFormatOf(bool json, const std::string& path) {
  const std::string ending = std::filesystem::path(path).extension().string();
  if (ending == ".jsonl" || (json && ending != ".json")) return DescriptionFormat::kJsonLines;
  return ending == ".json" ? DescriptionFormat::kJson : DescriptionFormat::kText;
}

DescriptionFile::DescriptionFile(std::string path, DescriptionFormat format, bool raw_output)
    : path_(std::move(path)),
      format_(format),
      raw_output_(raw_output || !path_.empty() || !IsTerminal(STDOUT_FILENO)) {
  if (path_.empty()) return;
  std::error_code ignored;
  if (std::filesystem::is_directory(path_, ignored)) {
    throw Error(ErrorKind::kUsage, path_ + ": expected a file to write, found a directory");
  }
  file_.open(Temporary(path_), std::ios::binary);
  if (!file_) throw Error(ErrorKind::kUsage, path_ + ": cannot be written");
}

bool DescriptionFile::Write(const std::string& text) {
  if (path_.empty()) return Put(text);
  file_ << text << std::flush;
  if (!file_) throw Error(ErrorKind::kResources, Temporary(path_) + ": cannot be written");
  return true;
}

bool DescriptionFile::Text(const std::string& text) {
  if (!is_text()) return true;
  return Write(raw_output_ ? text : ShowControls(text));
}

bool DescriptionFile::Object(const Json& object) {
  if (is_text()) return true;
  const std::string line = Dumped(object);
  if (format_ == DescriptionFormat::kJsonLines) return Write(line + "\n");
  return Write((objects_++ == 0 ? "[\n" : ",\n") + line);
}

void DescriptionFile::Finish() {
  if (format_ == DescriptionFormat::kJson) Write(objects_ == 0 ? "[]\n" : "\n]\n");
  if (path_.empty()) return;
  file_.close();
  std::error_code error;
  std::filesystem::rename(Temporary(path_), path_, error);
  if (!file_ || error) throw Error(ErrorKind::kResources, path_ + ": cannot be written");
}

Json WindowAsJson(const std::string& source, const FilmWindow& window) {
  Json json = {{"file", source},
               {"from", Rounded(window.from_s)},
               {"to", Rounded(window.to_s)},
               {"text", window.text}};
  if (!window.summary.empty()) json["summary"] = window.summary;
  return json;
}

Json ReportAsJson(const std::string& source, const FilmReport& report) {
  Json json = {{"file", source},
               {"duration", Rounded(report.duration_s)},
               {"complete", report.complete},
               {"summary", report.summary},
               {"chapters", Json::array()}};
  for (const Chapter& chapter : report.chapters) {
    json["chapters"].push_back({{"start", Rounded(chapter.from_s)},
                                {"end", Rounded(chapter.to_s)},
                                {"title", chapter.title}});
  }
  return json;
}

std::string ReportAsText(const FilmReport& report) {
  std::string text;
  if (!report.summary.empty()) text += "\n" + report.summary + "\n";
  if (!report.chapters.empty()) text += "\n";
  for (const Chapter& chapter : report.chapters) {
    text += FilmTime(chapter.from_s) + "  " + chapter.title + "\n";
  }
  return text;
}

std::string ChaptersAsVtt(const std::vector<Chapter>& chapters) {
  std::string text = TranscriptHead(TranscriptFormat::kVtt);
  for (size_t i = 0; i < chapters.size(); ++i) {
    const Segment segment{
        .start_s = chapters[i].from_s, .end_s = chapters[i].to_s, .text = chapters[i].title};
    text += TranscriptEntry(TranscriptFormat::kVtt, i, segment, /*with_times=*/false);
  }
  return text;
}

std::string ChaptersAsFfmetadata(const std::vector<Chapter>& chapters) {
  std::string text = ";FFMETADATA1\n";
  for (const Chapter& chapter : chapters) {
    std::string title;
    for (const char c : chapter.title) {
      if (c == '=' || c == ';' || c == '#' || c == '\\' || c == '\n') title += '\\';
      title += c;
    }
    text +=
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=" + std::to_string(std::llround(chapter.from_s * 1000)) +
        "\nEND=" + std::to_string(std::llround(chapter.to_s * 1000)) + "\ntitle=" + title + "\n";
  }
  return text;
}

}  // namespace gemma3n::cli
