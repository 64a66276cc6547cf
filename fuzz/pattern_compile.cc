// SPDX-License-Identifier: Apache-2.0
// A pattern, and behind a line end a text: what the pattern's automaton says of the text's
// characters is what the rules over bytes say of the same text between quotes.
#include <cstdlib>

#include "base/utf8.h"
#include "checkpoint/json_text.h"
#include "constraint/pattern.h"
#include "constraint/walker.h"
#include "gemma3n/error.h"

using namespace gemma3n;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(input.find('\n'), input.size());
  const std::string_view pattern = input.substr(0, std::min<size_t>(line, 1024));
  const std::string text = ReplaceInvalidUtf8(input.substr(std::min(line + 1, input.size())));
  try {
    AutomatonBuilder builder({.states = 20'000, .compile_ms = 1000});
    const TextLanguage language = PatternLanguage(pattern, builder);
    CharacterRules characters(builder);
    const RuleId root = builder.NewRule(/*nests=*/false);
    const StateId last = builder.NewState(), end = builder.NewState();
    builder.AddBytes(last, '"', '"', end);
    builder.SetAccepting(end);
    AddCharacters(language, {}, builder.AddText(builder.StartOf(root), "\""), last, characters,
                  builder);
    const Automaton automaton = builder.Finish(root);
    std::string json;
    AppendJsonText(text, json);
    Walker walker(automaton);
    Walker::Place place = walker.Start();
    for (char byte : json) place = walker.Step(place, static_cast<uint8_t>(byte));
    if (walker.MayEnd(place) != language.Has(text)) std::abort();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kRequest) std::abort();
  }
  return 0;
}
