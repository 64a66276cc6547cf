// SPDX-License-Identifier: Apache-2.0
// The document is one flat array of nodes, filled by nlohmann's SAX parser, so that neither parsing
// nor walking recurses and a tokenizer file of a million values stays small.
#include "checkpoint/json_value.h"

#include <sys/stat.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/check.h"
#include "base/hash.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr uint32_t kNone = ~0u;
constexpr size_t kMostNodes = 16u << 20;
constexpr size_t kShownBytes = 60;  // of a wrong value in an error message

enum class Kind : uint8_t { kNull, kBool, kInt, kNumber, kString, kArray, kObject };

struct Node {
  Kind kind = Kind::kNull;
  uint32_t parent = kNone;
  uint32_t next = kNone;         // the next sibling
  uint32_t first_child = kNone;  // of an array or object
  uint32_t count = 0;            // children, or bytes of a string
  uint32_t key_bytes = 0;        // of the member name, where the parent is an object
  size_t key = 0;                // its place in the text pool
  union {
    int64_t integer = 0;
    double number;
    size_t text;  // place in the text pool
  };
};

}  // namespace

struct JsonValue::Document {
  std::string name;
  std::vector<Node> nodes;
  std::string text;  // all keys and strings, one after the other

  std::string_view Key(const Node& node) const {
    return std::string_view(text).substr(node.key, node.key_bytes);
  }
  std::string_view Text(const Node& node) const {
    return std::string_view(text).substr(node.text, node.count);
  }
};

// Receives the parser's events.
class JsonValue::Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(Document& document) : document_(document) {}

  bool null() override { return Add(Kind::kNull) != nullptr; }
  bool boolean(bool value) override {
    Node* node = Add(Kind::kBool);
    if (node) node->integer = value;
    return node != nullptr;
  }
  bool number_integer(int64_t value) override {
    Node* node = Add(Kind::kInt);
    if (node) node->integer = value;
    return node != nullptr;
  }
  bool number_unsigned(uint64_t value) override {
    if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return number_integer(static_cast<int64_t>(value));
    }
    return number_float(static_cast<double>(value), {});
  }
  bool number_float(double value, const std::string&) override {
    if (!std::isfinite(value)) return Refuse("a number is out of range");
    Node* node = Add(Kind::kNumber);
    if (node) node->number = value;
    return node != nullptr;
  }
  bool string(std::string& value) override {
    const size_t place = document_.text.size();
    document_.text += value;
    Node* node = Add(Kind::kString);
    if (node) {
      node->text = place;
      node->count = static_cast<uint32_t>(value.size());
    }
    return node != nullptr;
  }
  bool binary(nlohmann::json::binary_t&) override { return Refuse("binary data"); }
  bool start_object(size_t) override { return Open(Kind::kObject); }
  bool start_array(size_t) override { return Open(Kind::kArray); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(std::string& value) override {
    if (!open_.back().keys.insert(value).second)
      return Refuse("key \"" + value + "\" stands twice");
    key_ = document_.text.size();
    key_bytes_ = static_cast<uint32_t>(value.size());
    document_.text += value;
    return true;
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    // The library's text carries a code in brackets and, sometimes, the whole rest of the input.
    std::string what = error.what();
    if (const size_t end = what.find("] "); end != std::string::npos) what = what.substr(end + 2);
    return Refuse("byte " + std::to_string(position) + ": " + what.substr(0, 160));
  }

  const std::string& refusal() const { return refusal_; }

 private:
  struct Level {
    uint32_t node;
    uint32_t last_child = kNone;
    std::unordered_set<std::string, SeededHash, std::equal_to<>> keys;
  };

  bool Refuse(std::string why) {
    if (refusal_.empty()) refusal_ = std::move(why);
    return false;
  }

  Node* Add(Kind kind) {
    std::vector<Node>& nodes = document_.nodes;
    if (nodes.size() >= kMostNodes) {
      Refuse("more than " + std::to_string(kMostNodes) + " values");
      return nullptr;
    }
    const uint32_t index = static_cast<uint32_t>(nodes.size());
    Node& node = nodes.emplace_back();
    node.kind = kind;
    if (!open_.empty()) {
      Level& level = open_.back();
      node.parent = level.node;
      node.key = key_;
      node.key_bytes = key_bytes_;
      if (level.last_child == kNone) {
        nodes[level.node].first_child = index;
      } else {
        nodes[level.last_child].next = index;
      }
      level.last_child = index;
      ++nodes[level.node].count;
    }
    return &node;
  }

  bool Open(Kind kind) {
    if (open_.size() >= kMaxDepth) {
      return Refuse("nested deeper than " + std::to_string(kMaxDepth));
    }
    if (Add(kind) == nullptr) return false;
    open_.push_back({static_cast<uint32_t>(document_.nodes.size() - 1), kNone, {}});
    key_bytes_ = 0;
    return true;
  }
  bool Close() {
    open_.pop_back();
    return true;
  }

  Document& document_;
  std::vector<Level> open_;
  size_t key_ = 0;
  uint32_t key_bytes_ = 0;
  std::string refusal_;
};

JsonValue::JsonValue() : node_(0) {}
JsonValue::JsonValue(std::shared_ptr<const Document> document, uint32_t node)
    : document_(std::move(document)), node_(node) {}

JsonValue JsonValue::Parse(std::string_view text, std::string document) {
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);  // a byte order mark
  auto parsed = std::make_shared<Document>();
  parsed->name = std::move(document);
  Builder builder(*parsed);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    throw Error(ErrorKind::kModel,
                parsed->name + ": expected a JSON text, found " + builder.refusal());
  }
  parsed->nodes.shrink_to_fit();
  return JsonValue(std::move(parsed), 0);
}

JsonValue JsonValue::Load(const std::filesystem::path& path, uint64_t max_bytes) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) {
    throw Error(ErrorKind::kModel, path.string() + ": no such file");
  }
  if (!S_ISREG(status.st_mode))
    throw Error(ErrorKind::kModel, path.string() + ": not a plain file");
  if (static_cast<uint64_t>(status.st_size) > max_bytes) {
    throw Error(ErrorKind::kModel, path.string() + ": expected at most " +
                                       std::to_string(max_bytes) + " bytes, found " +
                                       std::to_string(status.st_size));
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(static_cast<size_t>(status.st_size), '\0');
  if (!file.read(text.data(), status.st_size)) {
    throw Error(ErrorKind::kModel, path.string() + ": cannot be read");
  }
  return Parse(text, path.string());
}

namespace {
const Node kNullNode{};
}  // namespace

#define GEMMA3N_NODE() \
  (document_ == nullptr || !missing_.empty() ? kNullNode : document_->nodes[node_])

bool JsonValue::IsNull() const {
  return GEMMA3N_NODE().kind == Kind::kNull;
}
bool JsonValue::IsNumber() const {
  const Kind kind = GEMMA3N_NODE().kind;
  return kind == Kind::kInt || kind == Kind::kNumber;
}
bool JsonValue::IsString() const {
  return GEMMA3N_NODE().kind == Kind::kString;
}
bool JsonValue::IsBool() const {
  return GEMMA3N_NODE().kind == Kind::kBool;
}
bool JsonValue::IsArray() const {
  return GEMMA3N_NODE().kind == Kind::kArray;
}
bool JsonValue::IsObject() const {
  return GEMMA3N_NODE().kind == Kind::kObject;
}

JsonValue JsonValue::operator[](std::string_view key) const {
  const Node& node = GEMMA3N_NODE();
  if (node.kind != Kind::kObject && node.kind != Kind::kNull) Fail("an object");
  for (uint32_t i = node.first_child; i != kNone; i = document_->nodes[i].next) {
    if (document_->Key(document_->nodes[i]) == key) return JsonValue(document_, i);
  }
  JsonValue missing = *this;
  missing.missing_ += (missing_.empty() ? "" : ".") + std::string(key);
  return missing;
}

std::vector<std::pair<std::string_view, JsonValue>> JsonValue::Members() const {
  const Node& node = GEMMA3N_NODE();
  if (node.kind != Kind::kObject) Fail("an object");
  std::vector<std::pair<std::string_view, JsonValue>> members;
  members.reserve(node.count);
  for (uint32_t i = node.first_child; i != kNone; i = document_->nodes[i].next) {
    members.emplace_back(document_->Key(document_->nodes[i]), JsonValue(document_, i));
  }
  return members;
}

std::vector<std::string> JsonValue::Keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : Members()) keys.emplace_back(key);
  return keys;
}

std::vector<JsonValue> JsonValue::Items() const {
  const Node& node = GEMMA3N_NODE();
  if (node.kind != Kind::kArray) Fail("a list");
  std::vector<JsonValue> items;
  items.reserve(node.count);
  for (uint32_t i = node.first_child; i != kNone; i = document_->nodes[i].next) {
    items.push_back(JsonValue(document_, i));
  }
  return items;
}

size_t JsonValue::size() const {
  const Node& node = GEMMA3N_NODE();
  return node.kind == Kind::kArray || node.kind == Kind::kObject ? node.count : 0;
}

int64_t JsonValue::Int(int64_t min, int64_t max) const {
  const Node& node = GEMMA3N_NODE();
  const auto fail = [&] {
    Fail(min == std::numeric_limits<int64_t>::min() || max == std::numeric_limits<int64_t>::max()
             ? "an integer" + (min > 0 ? " of at least " + std::to_string(min) : std::string())
             : "an integer in [" + std::to_string(min) + ", " + std::to_string(max) + "]");
  };
  int64_t value = node.integer;
  if (node.kind == Kind::kNumber) {
    // Whole numbers that were written as floats, as far as a double holds every integer.
    if (node.number != std::floor(node.number) || std::abs(node.number) > 9007199254740992.0)
      fail();
    value = static_cast<int64_t>(node.number);
  } else if (node.kind != Kind::kInt) {
    fail();
  }
  if (value < min || value > max) fail();
  return value;
}

double JsonValue::Number(double min, double max) const {
  const Node& node = GEMMA3N_NODE();
  const double value = node.kind == Kind::kInt ? static_cast<double>(node.integer) : node.number;
  if (!IsNumber()) Fail("a number");
  if (!(value >= min && value <= max)) {
    std::ostringstream expected;
    expected << "a number in [" << min << ", " << max << "]";
    Fail(expected.str());
  }
  return value;
}

bool JsonValue::Bool() const {
  if (!IsBool()) Fail("true or false");
  return GEMMA3N_NODE().integer != 0;
}

std::string_view JsonValue::StringView() const {
  if (!IsString()) Fail("a string");
  return document_->Text(GEMMA3N_NODE());
}

int64_t JsonValue::IntOr(int64_t fallback, int64_t min, int64_t max) const {
  return IsNull() ? fallback : Int(min, max);
}
double JsonValue::NumberOr(double fallback, double min, double max) const {
  return IsNull() ? fallback : Number(min, max);
}
bool JsonValue::BoolOr(bool fallback) const {
  return IsNull() ? fallback : Bool();
}
std::string JsonValue::StringOr(std::string fallback) const {
  return IsNull() ? std::move(fallback) : String();
}

std::string JsonValue::Where() const {
  if (document_ == nullptr) return missing_.empty() ? "null" : missing_;
  std::string path = missing_;
  for (uint32_t i = node_; document_->nodes[i].parent != kNone; i = document_->nodes[i].parent) {
    const Node& node = document_->nodes[i];
    const Node& parent = document_->nodes[node.parent];
    std::string step(document_->Key(node));
    if (parent.kind == Kind::kArray) {
      int position = 0;
      for (uint32_t s = parent.first_child; s != i; s = document_->nodes[s].next) ++position;
      step = "[" + std::to_string(position) + "]";
    }
    if (!path.empty() && path[0] != '[') step += ".";
    path.insert(0, step);
  }
  return document_->name + (path.empty() ? "" : ": " + path);
}

std::string JsonValue::Dump() const {
  const Node& node = GEMMA3N_NODE();
  std::string text;
  switch (node.kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return node.integer ? "true" : "false";
    case Kind::kInt:
      return std::to_string(node.integer);
    case Kind::kNumber:
      return nlohmann::json(node.number).dump();
    case Kind::kString:
      return nlohmann::json(String()).dump();
    case Kind::kArray:  // recursion ends at kMaxDepth
      for (const JsonValue& item : Items()) text += (text.empty() ? "" : ",") + item.Dump();
      return "[" + text + "]";
    case Kind::kObject:
      for (const auto& [key, value] : Members()) {
        text += (text.empty() ? "" : ",") + nlohmann::json(std::string(key)).dump() + ":" +
                value.Dump();
      }
      return "{" + text + "}";
  }
  return text;
}

void JsonValue::Fail(const std::string& expected) const {
  std::string found = "nothing";
  if (missing_.empty() && document_ != nullptr) {
    found = IsArray() ? "a list of " + std::to_string(size()) : IsObject() ? "an object" : Dump();
  }
  if (found.size() > kShownBytes) found = found.substr(0, kShownBytes) + "...";
  throw Error(ErrorKind::kModel, Where() + ": expected " + expected + ", found " + found);
}

}  // namespace gemma3n
