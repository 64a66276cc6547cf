// SPDX-License-Identifier: Apache-2.0
#include "speech/answer_text.h"

#include <cctype>

namespace gemma3n {
namespace {

// White space becomes single spaces, none at the ends.
std::string OneLine(const std::string& text) {
  std::string line;
  for (char c : text) {
    if (std::isspace(static_cast<unsigned char>(c)) == 0) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  if (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

// Where a line begins with the name of the language and a colon, in any case of ASCII letters: the
// first byte of that line, and the first after the colon.
struct Mark {
  size_t begin = std::string::npos, end = 0;
};
Mark FindMark(const std::string& text, const std::string& language) {
  const std::string wanted = language + ":";
  for (size_t line = 0; line != std::string::npos && line < text.size();) {
    size_t i = 0;
    while (i < wanted.size() && line + i < text.size() &&
           std::tolower(static_cast<unsigned char>(text[line + i])) ==
               std::tolower(static_cast<unsigned char>(wanted[i]))) {
      ++i;
    }
    if (i == wanted.size()) return {line, line + i};
    const size_t next = text.find('\n', line);
    line = next == std::string::npos ? next : next + 1;
  }
  return {};
}

}  // namespace

std::string SpeechPrompt(const TranscribeOptions& options) {
  if (!options.prompt.empty()) return options.prompt;
  const std::string in = options.language.empty() ? "" : " in " + options.language;
  const std::string& to = options.to_language;
  switch (options.task) {
    case SpeechTask::kTranscribe:
      return "Transcribe the following speech segment" + in + ".";
    case SpeechTask::kTranslate:
      return "Translate the following speech segment" + in + " into " + to + ".";
    case SpeechTask::kTranscribeTranslate:
      break;
  }
  const std::string source = options.language.empty() ? "its language" : options.language;
  return "Transcribe the following speech segment" + in + ", then translate it into " + to +
         ". When formatting the answer, first output the transcription in " + source +
         ", then one newline, then output the string '" + to + ": ', then the translation in " +
         to + ".";
}

SpeechTexts ReadAnswer(const std::string& answer, const TranscribeOptions& options) {
  if (options.task == SpeechTask::kTranscribe) return {OneLine(answer), ""};
  const Mark mark = FindMark(answer, options.to_language);
  if (mark.begin == std::string::npos) {
    if (options.task == SpeechTask::kTranslate) return {OneLine(answer), ""};
    // No mark: a transcript on the first line, the rest is what was made of it.
    const size_t end = std::min(answer.find('\n'), answer.size());
    return {OneLine(answer.substr(0, end)), OneLine(answer.substr(end))};
  }
  const std::string translation = OneLine(answer.substr(mark.end));
  if (options.task == SpeechTask::kTranslate) return {translation, ""};
  return {OneLine(answer.substr(0, mark.begin)), translation};
}

}  // namespace gemma3n
