// SPDX-License-Identifier: Apache-2.0
// nlohmann's parser does not recurse; its defaults are lax where requests are hostile (the last of
// two equal keys wins, large integers become floats), so the document is built here from its
// events.
#include "server/json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "server/refusal.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostDepth = 64, kMostKeys = 4096, kMostElements = 1 << 20;
constexpr size_t kMostValues = 4 << 20;  // in the whole document

class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(bool repeats = false) : repeats_(repeats) {}

  Json root;
  std::optional<Refusal> refusal;  // why it ended before its end

  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(number_integer_t value) override { return Add(value); }
  bool number_unsigned(number_unsigned_t value) override { return Add(value); }
  bool number_float(number_float_t value, const string_t& text) override {
    if (text.find_first_of(".eE") == std::string::npos) {
      return OutOfRange("an integer from -2^63 to 2^64 - 1", text);
    }
    return Add(value);
  }
  bool string(string_t& value) override { return Add(std::move(value)); }
  bool binary(binary_t&) override { return Stop("expected JSON"); }
  bool start_object(size_t) override { return Open(Json::object()); }
  bool start_array(size_t) override { return Open(Json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& name) override {
    // An ordered object compares all its keys when it looks for one; these do not.
    const bool is_new = keys_.back().insert(name).second;
    if (!is_new && !repeats_) return Stop("the key '" + Shown(name) + "' comes twice");
    if (keys_.back().size() > kMostKeys) {
      return Stop("an object has more than " + std::to_string(kMostKeys) + " keys");
    }
    auto& members = open_.back()->get_ref<Json::object_t&>();
    MakeRoom(members);
    members.emplace_back(std::move(name), Json());
    member_ = &members.back().second;
    return true;
  }
  bool parse_error(size_t position, const std::string& token,
                   const nlohmann::detail::exception& error) override {
    constexpr int kNumberOverflow = 406;
    if (error.id == kNumberOverflow) return OutOfRange("a number of at most 1.8e308", token);
    return Stop("expected JSON in UTF-8; it goes wrong at byte " + std::to_string(position));
  }

 private:
  bool Stop(const std::string& why) {
    refusal.emplace(Reason::kInvalidJson, "body: " + why);
    return false;
  }

  // For one more. The names of members are constant, so that a vector of them grows by copying
  // them, with all that nests in them: each level of a document would copy all deeper ones.
  static void MakeRoom(Json::object_t& members) {
    if (members.size() < members.capacity()) return;
    Json::object_t larger;
    larger.reserve(2 * members.size() + 1);
    for (auto& [name, value] : members) larger.emplace_back(name, std::move(value));
    members.swap(larger);
  }

  // A number that no field can have: JSON, but not a value of ours.
  bool OutOfRange(const std::string& expected, const std::string& found) {
    const std::string path = Path();
    if (path.empty()) return Stop("expected " + expected + ", found " + Shown(found));
    refusal.emplace(Reason::kInvalidValue,
                    path + ": expected " + expected + ", found " + Shown(found), path);
    return false;
  }

  // The way to the value that comes next; empty for the document itself.
  std::string Path() const {
    std::string path;
    for (const Json* const holder : open_) {
      if (holder->is_object()) {
        const std::string& name = holder->get_ref<const Json::object_t&>().back().first;
        path += (path.empty() ? "" : ".") + Shown(name);
      } else {  // what is open in a list is its last element; the value that comes is behind it
        const size_t index = holder->size() - (holder == open_.back() ? 0 : 1);
        path += "[" + std::to_string(index) + "]";
      }
    }
    return path;
  }

  // Where the next value goes; null when there is no room.
  Json* Place() {
    if (++values_ > kMostValues) {
      Stop("more than " + std::to_string(kMostValues) + " values");
      return nullptr;
    }
    if (open_.empty()) return &root;
    if (open_.back()->is_object()) return member_;
    if (open_.back()->size() >= kMostElements) {
      Stop("a list has more than " + std::to_string(kMostElements) + " elements");
      return nullptr;
    }
    open_.back()->push_back(nullptr);
    return &open_.back()->back();
  }

  bool Add(Json value) {
    Json* const place = Place();
    if (place != nullptr) *place = std::move(value);
    return place != nullptr;
  }

  bool Open(Json value) {
    if (open_.size() >= kMostDepth) {
      return Stop("it nests deeper than " + std::to_string(kMostDepth) + " levels");
    }
    Json* const place = Place();
    if (place == nullptr) return false;
    *place = std::move(value);
    open_.push_back(place);
    keys_.emplace_back();
    return true;
  }

  bool Close() {
    open_.pop_back();
    keys_.pop_back();
    return true;
  }

  const bool repeats_;       // keys may come twice; then the document has both
  std::vector<Json*> open_;  // objects and lists that are not closed yet, outermost first
  std::vector<std::unordered_set<std::string>> keys_;  // of each of them
  Json* member_ = nullptr;  // of the innermost object: its value comes next
  size_t values_ = 0;
};

std::string NumberText(double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", number);
  return text;
}

const Json kNothing;

}  // namespace

Json ParseJson(std::string_view text) {
  Builder builder;
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
    throw *builder.refusal;
  }
  return std::move(builder.root);
}

bool IsJsonObject(std::string_view text) {
  Builder builder(/*repeats=*/true);
  return Json::sax_parse(text.begin(), text.end(), &builder) && builder.root.is_object();
}

void Field::Complain(const std::string& expected) const {
  const std::string found = value_->is_string() || value_->is_structured()
                                ? std::string(value_->type_name())
                                : value_->dump();
  if (!present()) throw Refusal(Reason::kMissing, path_ + ": expected " + expected, path_);
  throw Refusal(Reason::kInvalidValue, path_ + ": expected " + expected + ", found " + Shown(found),
                path_);
}

bool Field::present() const {
  return !value_->is_null();
}
bool Field::is_text() const {
  return value_->is_string();
}
bool Field::is_list() const {
  return value_->is_array();
}

Field Field::operator[](const char* name) const {
  if (present() && !value_->is_object()) Complain("an object");
  const std::string path = path_.empty() ? name : path_ + "." + name;
  if (!present()) return {kNothing, path};
  const auto found = value_->find(name);
  return {found == value_->end() ? kNothing : *found, path};
}

std::vector<Field> Field::Items(size_t most) const {
  if (!value_->is_array()) Complain("a list");
  if (value_->size() > most) {
    throw Refusal(Reason::kInvalidValue,
                  path_ + ": expected at most " + std::to_string(most) + " elements, found " +
                      std::to_string(value_->size()),
                  path_);
  }
  std::vector<Field> items;
  for (size_t i = 0; i < value_->size(); ++i) {
    items.emplace_back((*value_)[i], path_ + "[" + std::to_string(i) + "]");
  }
  return items;
}

std::vector<std::string> Field::Others(const std::vector<std::string_view>& known) const {
  std::vector<std::string> others;
  for (const auto& [name, value] : value_->items()) {
    if (value.is_null()) continue;
    if (std::find(known.begin(), known.end(), name) == known.end()) others.push_back(name);
  }
  return others;
}

const std::string& Field::Text() const {
  if (!value_->is_string()) Complain("a string");
  return value_->get_ref<const std::string&>();
}

bool Field::Flag(bool otherwise) const {
  if (!present()) return otherwise;
  if (!value_->is_boolean()) Complain("true or false");
  return value_->get<bool>();
}

std::optional<int64_t> Field::Integer(int64_t least, int64_t most) const {
  if (!present()) return std::nullopt;
  const std::string expected =
      "an integer from " + std::to_string(least) + " to " + std::to_string(most);
  // Where a float is, it is compared as one: 2^63 has no int64.
  if (value_->is_number_unsigned()) {
    const auto number = value_->get<uint64_t>();
    if (most < 0 || number > static_cast<uint64_t>(most)) Complain(expected);
  } else if (value_->is_number_float()) {
    const auto number = value_->get<double>();
    if (number != std::floor(number) || std::abs(number) > 0x1p53) Complain(expected);
  } else if (!value_->is_number_integer()) {
    Complain(expected);
  }
  const auto number = value_->get<int64_t>();
  if (number < least || number > most) Complain(expected);
  return number;
}

std::optional<double> Field::Number(double least, double most) const {
  if (!present()) return std::nullopt;
  const std::string expected = "a number from " + NumberText(least) + " to " + NumberText(most);
  if (!value_->is_number()) Complain(expected);
  const auto number = value_->get<double>();
  if (!(number >= least && number <= most)) Complain(expected);
  return number;
}

std::optional<std::string> Field::Word(std::initializer_list<const char*> words) const {
  if (!present()) return std::nullopt;
  std::string expected;
  for (const char* word : words) {
    if (value_->is_string() && value_->get_ref<const std::string&>() == word) return word;
    expected += (expected.empty() ? "'" : "', '") + std::string(word);
  }
  Complain("one of " + expected + "'");
}

}  // namespace gemma3n::server
