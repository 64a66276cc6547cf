// SPDX-License-Identifier: Apache-2.0
// A walk that the input chooses, through a schema of all kinds of values: there is always a way on,
// the mask of tokens is what their bytes say one by one, and a walker that has forgotten all but
// where it is goes on alike.
#include <cstdlib>

#include "constraint/constraint_state.h"
#include "gemma3n/error.h"

using namespace gemma3n;

namespace {

constexpr char kSchema[] = R"({"$defs": {"t": {"type": "object", "properties": {
    "s": {"type": "string", "minLength": 2, "maxLength": 9}, "p": {"pattern": "^(ab|c)*d?$",
    "type": "string", "maxLength": 12}, "d": {"type": "string", "format": "date"}, "n":
    {"type": "number", "minimum": -1.5, "maximum": 20}, "i": {"type": "integer", "multipleOf": 3},
    "a": {"type": "array", "items": {"$ref": "#/$defs/t"}, "minItems": 1, "maxItems": 3}, "o":
    {"type": "object"}, "e": {"enum": ["x", "xy", 1, null]}}, "additionalProperties":
    {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]}}},
    "$ref": "#/$defs/t"})";

std::shared_ptr<const TokenTrie> Tokens() {
  std::vector<std::string> bytes(1);
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(std::string(1, static_cast<char>(byte)));
  for (const char* more :
       {"{\"", "\":", "\": ", ", \"", "s\":\"", "abab", "cd\"", "2024-02-", "29\"}", "\\u00e9",
        "\\ud83d", "\u65e5\u672c", "true}", "[[", "]}", "}}", "1.5"}) {
    bytes.push_back(more);
  }
  const int32_t ends[] = {0};
  return std::make_shared<const TokenTrie>(std::move(bytes), ends);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto constraint = Constraint::FromJsonSchema(kSchema);
  static const auto tokens = Tokens();
  ConstraintState state(constraint, tokens);
  Walker walker(dynamic_cast<const CompiledConstraint&>(*constraint).automaton());
  Walker::Place place = walker.Start();
  for (size_t i = 0; i < std::min<size_t>(size, 300); ++i) {
    const TokenMask& mask = state.Allowed();
    if (mask.count == 0 || state.MustEnd() != walker.MustEnd(place)) std::abort();
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < static_cast<int32_t>(tokens->vocab_size()); ++id) {
      Walker::Place next = place;
      for (char byte : tokens->BytesOf(id)) next = walker.Step(next, static_cast<uint8_t>(byte));
      const bool allowed = id == 0 ? walker.MayEnd(place) : next != Walker::kDead;
      if (allowed != mask.Has(id)) std::abort();
      if (allowed && id != 0) ids.push_back(id);
    }
    if (ids.empty()) break;
    const int32_t id = ids[data[i] % ids.size()];
    state.Accept(id);
    for (char byte : tokens->BytesOf(id)) place = walker.Step(place, static_cast<uint8_t>(byte));
    if (data[i] % 7 == 0) walker.Forget({&place, 1});
  }
  return 0;
}
