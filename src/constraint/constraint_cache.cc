// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "gemma3n/constraint.h"

namespace gemma3n {
namespace {

// Texts one after the other, so that no two lists of them look alike.
void AppendText(const std::string& text, std::string& key) {
  key += std::to_string(text.size()) + ":" + text;
}

}  // namespace

template <class Make>
std::shared_ptr<const Constraint> ConstraintCache::Find(std::string key, const Make& make) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& entry) { return entry.key == key; });
    if (known != entries_.end()) {
      entries_.splice(entries_.begin(), entries_, known);
      return entries_.front().constraint;
    }
  }
  // Others need not wait for this one, nor does it matter if two compile the same.
  const std::shared_ptr<const Constraint> constraint = make();
  const std::lock_guard lock(mutex_);
  entries_.push_front({std::move(key), constraint});
  while (entries_.size() > kMostEntries || (!entries_.empty() && BytesHeld() > kMostBytes)) {
    entries_.pop_back();
  }
  return constraint;
}

std::shared_ptr<const Constraint> ConstraintCache::FromJsonSchema(std::string_view schema) {
  return Find("schema " + std::string(schema),
              [&] { return Constraint::FromJsonSchema(schema, limits_); });
}

std::shared_ptr<const Constraint> ConstraintCache::JsonObject() {
  return Find("object", [] { return Constraint::JsonObject(); });
}

std::shared_ptr<const Constraint> ConstraintCache::OneOf(const std::vector<std::string>& texts) {
  std::string key = "texts ";
  for (const std::string& text : texts) AppendText(text, key);
  return Find(std::move(key), [&] { return Constraint::OneOf(texts, limits_); });
}

std::shared_ptr<const Constraint> ConstraintCache::ToolCalls(const std::vector<CallableTool>& tools,
                                                             const ToolCallOptions& options) {
  std::string key =
      std::string("tools ") + (options.parallel ? "p" : "-") + (options.required ? "r" : "-");
  AppendText(options.otherwise, key);
  for (const CallableTool& tool : tools) {
    key += tool.strict ? "s" : "-";
    AppendText(tool.name, key);
    AppendText(tool.parameters, key);
  }
  return Find(std::move(key), [&] { return Constraint::ToolCalls(tools, options, limits_); });
}

size_t ConstraintCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

size_t ConstraintCache::Bytes() const {
  const std::lock_guard lock(mutex_);
  return BytesHeld();
}

size_t ConstraintCache::BytesHeld() const {
  size_t bytes = 0;
  for (const Entry& entry : entries_) bytes += entry.key.size() + entry.constraint->Bytes();
  return bytes;
}

}  // namespace gemma3n
