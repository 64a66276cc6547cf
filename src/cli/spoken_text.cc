// SPDX-License-Identifier: Apache-2.0
#include "cli/spoken_text.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <utility>

namespace gemma3n::cli {
namespace {

constexpr char kFence[] = "```";

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
// Of a word in whatever script.
bool IsOfWord(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || (static_cast<unsigned char>(c) & 0x80);
}
bool HasWord(const std::string& text) {
  return std::any_of(text.begin(), text.end(), IsOfWord);
}

// Without control characters, those of Latin-1 included, which are spaces to the ear.
std::string WithoutControls(const std::string& text) {
  std::string clean;
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char byte = static_cast<unsigned char>(text[i]);
    const unsigned char next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    const bool latin = byte == 0xc2 && next >= 0x80 && next < 0xa0;
    clean += byte < 0x20 || byte == 0x7f || latin ? ' ' : text[i];
    i += latin ? 1 : 0;
  }
  return clean;
}

// "## ", "> ", "- " and the like, which stand at the beginning of a line.
std::string WithoutLineMark(const std::string& line) {
  const size_t begin = std::min(line.find_first_not_of(" "), line.size());
  const size_t end = std::min(line.find_first_not_of("#>-*+ ", begin), line.size());
  const bool is_mark = end > begin && (line[end - 1] == ' ' || end == line.size());
  return line.substr(is_mark ? end : begin);
}

// "[text](target)" and "![text](target)" -> "text".
std::string WithoutTargets(std::string text) {
  for (size_t at = 0; (at = text.find("](", at)) != std::string::npos;) {
    const size_t end = text.find(')', at), begin = text.rfind('[', at);
    if (end == std::string::npos || begin == std::string::npos) return text;
    text.erase(at, end + 1 - at);
    const bool picture = begin > 0 && text[begin - 1] == '!';
    text.erase(begin - picture, 1 + picture);
    at = begin;
  }
  return text;
}

// Stars, backticks, underlines around words, and the walls of tables.
std::string WithoutMarks(const std::string& text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const char before = i > 0 ? text[i - 1] : ' ', next = i + 1 < text.size() ? text[i + 1] : ' ';
    const bool times = text[i] == '*' && before == ' ' && next == ' ';
    const bool joins = text[i] == '_' && IsOfWord(before) && IsOfWord(next);
    if (text[i] == '`' || (text[i] == '*' && !times) || (text[i] == '_' && !joins)) continue;
    if (text[i] == '~' && (before == '~' || next == '~')) continue;
    const char shown = text[i] == '|' || joins ? ' ' : text[i];
    if (shown != ' ' || (!plain.empty() && plain.back() != ' ')) plain += shown;
  }
  while (!plain.empty() && plain.back() == ' ') plain.pop_back();
  return plain;
}

// The end of the first sentence, with its mark: 0 where none is known to be complete.
size_t SentenceEnd(const std::string& text) {
  for (size_t i = 0; i < text.size(); ++i) {
    for (const char* full_width : {"\u3002", "\uff01", "\uff1f"}) {
      if (text.compare(i, 3, full_width) == 0) return i + 3;
    }
    if (std::strchr(".!?:;", text[i]) == nullptr || i + 1 == text.size()) continue;
    // "3.5" goes on; so does "1. First", whose number is no sentence.
    const std::string sentence = text.substr(0, i + 1);
    const bool only_number = sentence.find_first_not_of("0123456789. *_#>-") == std::string::npos;
    if (IsSpace(text[i + 1]) && !only_number) return i + 1;
  }
  return 0;
}

}  // namespace

void SpokenText::TakeSentence(size_t count, bool line_ends, std::vector<std::string>& sentences) {
  std::string text = WithoutControls(waiting_.substr(0, count));
  waiting_.erase(0, count);
  const bool begins_line = std::exchange(line_begins_, line_ends);
  if (begins_line) {
    text.erase(0, text.find_first_not_of(' '));
    if (text.rfind(kFence, 0) == 0) {
      in_code_ = !in_code_;
      return;
    }
    text = WithoutLineMark(text);
  }
  text = WithoutMarks(WithoutTargets(text));
  if (!in_code_ && HasWord(text)) sentences.push_back(text);
}

void SpokenText::TakeComplete(std::vector<std::string>& sentences) {
  for (;;) {
    const size_t line_end = waiting_.find('\n');
    const size_t mark = line_begins_ ? waiting_.find_first_not_of(" \t") : 0;
    const std::string head = mark == std::string::npos ? "" : waiting_.substr(mark, 3);
    // What may become a line of code or a fence is taken as a line.
    const bool by_line = in_code_ || (line_begins_ && (head == kFence || head.size() < 3));
    const size_t end = by_line ? 0 : SentenceEnd(waiting_.substr(0, line_end));
    if (end > 0) {
      TakeSentence(end, /*line_ends=*/false, sentences);
    } else if (line_end != std::string::npos) {
      TakeSentence(line_end + 1, /*line_ends=*/true, sentences);
    } else {
      return;
    }
  }
}

std::vector<std::string> SpokenText::Push(const std::string& piece) {
  std::vector<std::string> sentences;
  waiting_ += piece;
  TakeComplete(sentences);
  return sentences;
}

std::vector<std::string> SpokenText::Finish() {
  std::vector<std::string> sentences;
  waiting_ += '\n';
  TakeComplete(sentences);
  *this = {};
  return sentences;
}

}  // namespace gemma3n::cli
