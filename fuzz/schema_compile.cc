// SPDX-License-Identifier: Apache-2.0
// A schema that is taken has a text that it lets through, found by going to the end byte by byte.
#include <cstdlib>

#include "constraint/compiled_constraint.h"
#include "constraint/walker.h"
#include "gemma3n/error.h"

using namespace gemma3n;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto constraint =
        Constraint::FromJsonSchema(std::string_view(reinterpret_cast<const char*>(data), size));
    Walker walker(dynamic_cast<const CompiledConstraint&>(*constraint).automaton());
    Walker::Place place = walker.Start();
    // Quotes and brackets that close come first: most texts end soon.
    constexpr char kFirst[] = "]}\"0,:[{-tn";
    for (int steps = 0; steps < 300 && !walker.MayEnd(place); ++steps) {
      Walker::Place next = Walker::kDead;
      for (size_t i = 0; kFirst[i] != '\0' && next == Walker::kDead; ++i) {
        next = walker.Step(place, static_cast<uint8_t>(kFirst[i]));
      }
      for (int byte = 0; byte < 256 && next == Walker::kDead; ++byte) {
        next = walker.Step(place, static_cast<uint8_t>(byte));
      }
      if (next == Walker::kDead) std::abort();  // neither an end nor a way on
      place = next;
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kRequest) std::abort();
  }
  return 0;
}
