// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_items.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

// One line of the file -> an item, or an Error that says what is wrong with which field.
class LineReader {
 public:
  LineReader(std::string where, const std::string& line) : where_(std::move(where)) {
    try {
      json_ = nlohmann::json::parse(line);
    } catch (const nlohmann::json::parse_error& error) {
      Fail("expected JSON, found an error at column " + std::to_string(error.byte));
    }
    if (!json_.is_object()) Fail(std::string("expected an object, found ") + json_.type_name());
  }

  Item Read(int64_t number) const {
    Item item;
    item.prompt = Text("prompt", nullptr);
    item.answer = Text("answer", nullptr);
    // Files also number their items.
    const bool numbered = json_.contains("id") && json_["id"].is_number_integer();
    item.id = numbered ? json_["id"].dump() : Text("id", std::to_string(number).c_str());
    item.task = Text("task", "all");
    item.system = Text("system", "");
    item.match = Text("match", "exact");
    item.images = Names("images");
    item.audio = Names("audio");
    item.videos = Names("videos");
    item.choices = Names("choices", "texts");
    const bool has_answer =
        std::find(item.choices.begin(), item.choices.end(), item.answer) != item.choices.end();
    if (!item.choices.empty() && !has_answer) {
      Fail("choices: expected the answer among them, found none that is \"" + item.answer + "\"");
    }
    if (item.match != "exact" && item.match != "contains" && item.match != "wer") {
      Fail("match: expected exact, contains or wer, found " + item.match);
    }
    return item;
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    throw Error(ErrorKind::kUsage, where_ + ": " + what);
  }
  // `fallback` null: the field must be there.
  std::string Text(const char* field, const char* fallback) const {
    if (!json_.contains(field) && fallback != nullptr) return fallback;
    const std::string found = json_.contains(field) ? json_[field].type_name() : "nothing";
    if (found != "string") Fail(std::string(field) + ": expected text, found " + found);
    return json_[field].get<std::string>();
  }
  std::vector<std::string> Names(const char* field, const char* what = "file names") const {
    std::vector<std::string> names;
    if (!json_.contains(field)) return names;
    const nlohmann::json& list = json_[field];
    const auto wrong = [&](const nlohmann::json& found) {
      Fail(std::string(field) + ": expected a list of " + what + ", found " + found.type_name());
    };
    if (!list.is_array()) wrong(list);
    for (const nlohmann::json& name : list) {
      if (!name.is_string()) wrong(name);
      names.push_back(name.get<std::string>());
    }
    return names;
  }

  std::string where_;
  nlohmann::json json_;
};

}  // namespace

std::vector<Item> ReadItems(const std::string& path, int64_t limit) {
  std::ifstream file(path);
  if (!file) throw Error(ErrorKind::kUsage, path + ": cannot be read");
  std::vector<Item> items;
  int64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty()) continue;
    items.push_back(LineReader(path + ":" + std::to_string(number), line).Read(number));
    if (limit > 0 && static_cast<int64_t>(items.size()) >= limit) break;
  }
  if (items.empty()) throw Error(ErrorKind::kUsage, path + ": expected items, found none");
  return items;
}

std::vector<Turn> TurnsOf(const Item& item, const std::filesystem::path& file, MediaArgs media) {
  const std::filesystem::path base = file.parent_path();
  for (const std::string& name : item.images) media.images.push_back(base / name);
  for (const std::string& name : item.audio) media.audio.push_back(base / name);
  for (const std::string& name : item.videos) media.videos.push_back(base / name);
  std::vector<Turn> turns;
  if (!item.system.empty()) turns.push_back({Role::kSystem, {Part(item.system)}});
  turns.push_back({Role::kUser, media.Load()});
  turns.back().parts.push_back(Part(item.prompt));
  return turns;
}

Passages PassagesOf(const std::string& file) {
  if (std::filesystem::path(file).extension() != ".jsonl") {
    const auto text = std::make_shared<std::string>(TextOrFile("@" + file));
    return {1, [text](int64_t) { return Passage{.text = *text}; }};
  }
  const auto items = std::make_shared<std::vector<Item>>(ReadItems(file, 0));
  return {static_cast<int64_t>(items->size()), [items, file](int64_t i) {
            const Item& item = (*items)[static_cast<size_t>(i)];
            return Passage{.turns = TurnsOf(item, file, {}), .answer = item.answer};
          }};
}

}  // namespace gemma3n::cli
