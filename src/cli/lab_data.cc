// SPDX-License-Identifier: Apache-2.0
#include "cli/lab_data.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "cli/lab_text.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

constexpr size_t kPieceBytes = 2000;

// Pieces of some length that end at the end of a line, or where there is none at a space.
std::vector<std::string> Pieces(const std::string& text) {
  std::vector<std::string> pieces;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.size();
    if (text.size() - begin > kPieceBytes + kPieceBytes / 2) {
      end = text.find('\n', begin + kPieceBytes);
      if (end == std::string::npos || end > begin + 2 * kPieceBytes) {
        end = text.find(' ', begin + kPieceBytes);
      }
      end = end == std::string::npos ? text.size() : end + 1;
    }
    pieces.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

void AddText(const std::string& text, LabData& data) {
  for (std::string& piece : Pieces(text)) data.passages.push_back({.text = std::move(piece)});
  data.hash = HashOf(text, data.hash);
}

void AddItems(const std::string& file, LabData& data) {
  for (const Item& item : ReadItems(file, 0)) {
    data.passages.push_back({.item = static_cast<int>(data.items.size())});
    data.items.push_back({item, file});
  }
  data.hash = HashOf(TextOrFile("@" + file), data.hash);
}

// Every so many, so that tasks that stand together are on both sides.
void HoldOut(double share, LabData& data) {
  constexpr size_t kLeast = 8;  // passages that can be divided
  if (share <= 0 || data.passages.size() < kLeast) return;
  double sum = 0;
  for (LabPassage& passage : data.passages) {
    sum += share;
    passage.held_out = sum >= 1;
    if (passage.held_out) sum -= 1;
  }
}

}  // namespace

bool LabData::has_held_out() const {
  return std::any_of(passages.begin(), passages.end(),
                     [](const LabPassage& passage) { return passage.held_out; });
}

LabData ReadLabData(const LabDataOptions& options) {
  LabData data;
  std::vector<std::string> files = options.files;
  const std::filesystem::path own = std::filesystem::path(options.model) / "eval" / "eval.jsonl";
  std::error_code ignored;
  if (files.empty() && std::filesystem::exists(own, ignored)) files = {own.string()};
  for (const std::string& file : files) {
    const std::filesystem::path path(file);
    data.name += (data.name.empty() ? "" : ", ") + path.filename().string();
    if (path.extension() == ".jsonl") {
      AddItems(file, data);
    } else {
      AddText(TextOrFile("@" + file), data);
    }
  }
  if (files.empty()) {
    data.name = "the built-in text";
    AddText(kLabText, data);
  }
  if (data.passages.empty()) {
    throw Error(ErrorKind::kUsage, data.name + ": expected text or items, found none");
  }
  if (options.limit > 0 && static_cast<size_t>(options.limit) < data.passages.size()) {
    // Spread over all, as tasks often stand together.
    std::vector<LabPassage> some;
    const double step =
        static_cast<double>(data.passages.size()) / static_cast<double>(options.limit);
    for (int64_t i = 0; i < options.limit; ++i) {
      some.push_back(data.passages[static_cast<size_t>(static_cast<double>(i) * step)]);
    }
    data.passages = std::move(some);
  }
  HoldOut(options.held_out, data);
  data.hash =
      HashOf(std::to_string(options.limit) + " " + std::to_string(options.held_out), data.hash);
  return data;
}

std::vector<Turn> TurnsOf(const LabItem& item) {
  return TurnsOf(item.item, item.file, {});
}

Passages PassagesOf(const LabData& data) {
  const auto kept = std::make_shared<LabData>(data);
  return {static_cast<int64_t>(data.passages.size()), [kept](int64_t i) {
            const LabPassage& passage = kept->passages[static_cast<size_t>(i)];
            if (passage.item < 0) return Passage{.text = passage.text};
            const LabItem& item = kept->items[static_cast<size_t>(passage.item)];
            return Passage{.turns = TurnsOf(item), .answer = item.item.answer};
          }};
}

std::vector<ChoicePassage> ChoicesOf(const LabData& data) {
  std::vector<ChoicePassage> choices;
  for (const LabPassage& passage : data.passages) {
    if (passage.item < 0) continue;
    const size_t item = static_cast<size_t>(passage.item);
    for (size_t i = 0; i < data.items[item].item.choices.size(); ++i) choices.push_back({item, i});
  }
  return choices;
}

Passages PassagesOf(const LabData& data, const std::vector<ChoicePassage>& choices) {
  const auto kept = std::make_shared<LabData>(data);
  const auto all = std::make_shared<std::vector<ChoicePassage>>(choices);
  return {static_cast<int64_t>(choices.size()), [kept, all](int64_t i) {
            const ChoicePassage& choice = (*all)[static_cast<size_t>(i)];
            const LabItem& item = kept->items[choice.item];
            return Passage{.turns = TurnsOf(item), .answer = item.item.choices[choice.choice]};
          }};
}

uint64_t HashOf(const std::string& text, uint64_t hash) {
  for (unsigned char c : text) hash = (hash ^ c) * 1099511628211u;
  return hash;
}

}  // namespace gemma3n::cli
