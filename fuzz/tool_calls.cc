// SPDX-License-Identifier: Apache-2.0
// A model's text, cut anywhere, gives the same calls, and of a list of calls exactly those that it
// has. The first byte says where it is cut.
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "server/json.h"
#include "server/refusal.h"
#include "server/tool_call_reader.h"

using namespace gemma3n::server;

namespace {

using Kind = ToolEvent::Kind;

void Expect(bool holds) {
  if (!holds) std::abort();
}

// With what came in pieces put together.
std::vector<ToolEvent> Read(std::string_view text, size_t piece, bool& complete) {
  ToolCallReader reader;
  std::vector<ToolEvent> all;
  const auto take = [&](const std::vector<ToolEvent>& events) {
    for (const ToolEvent& event : events) {
      const bool is_piece = event.kind == Kind::kText || event.kind == Kind::kArguments;
      if (is_piece && !all.empty() && all.back().kind == event.kind) {
        all.back().text += event.text;
      } else {
        all.push_back(event);
      }
      Expect(event.kind == Kind::kText ? reader.calls() == 0 : event.call < reader.calls());
    }
  };
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    take(reader.Push(text.substr(0, piece)));
  }
  take(reader.Finish());
  complete = reader.complete();
  return all;
}

// Nothing where the text is none of those that Constraint::ToolCalls lets through.
std::vector<ToolEvent> CallsOf(std::string_view text) {
  std::vector<ToolEvent> calls;
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  try {
    const Json list = ParseJson(text);
    if (!list.is_array()) return {};
    for (size_t i = 0; i < list.size(); ++i) {
      const Json& call = list[i];
      if (!call.is_object() || call.size() != 2 || call.begin().key() != "name" ||
          !call.contains("parameters") || !call["name"].is_string() ||
          !call["parameters"].is_object()) {
        return {};
      }
      const std::string name = call["name"];
      if (name.empty() || !std::all_of(name.begin(), name.end(), is_word)) return {};
      calls.push_back({Kind::kCallBegun, i, name});
      calls.push_back({Kind::kArguments, i, call["parameters"].dump()});
      calls.push_back({Kind::kCallEnded, i});
    }
  } catch (const std::exception&) {
    return {};
  }
  return calls;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  bool complete = false, other_complete = false;
  std::vector<ToolEvent> whole = Read(text, SIZE_MAX, complete);
  Expect(whole == Read(text, 1 + data[0] % 17, other_complete) && complete == other_complete);
  // A name or a key may be escaped; the grammar does not do that.
  const std::vector<ToolEvent> calls = CallsOf(text);
  if (calls.empty() || text.find("\\u") != std::string_view::npos) return 0;
  for (ToolEvent& event : whole) {
    if (event.kind == Kind::kArguments) event.text = ParseJson(event.text).dump();
  }
  Expect(complete && whole == calls);
  return 0;
}
