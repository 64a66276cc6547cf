// SPDX-License-Identifier: Apache-2.0
// Writes texts that schemas let through, by random walks over the tokens of a real vocabulary, for
// another program to look at (tests/cli/schema_test.py).
//
//   schema_samples TOKENIZER_JSON < questions > answers
//
// One JSON object a line. {"schema": TEXT, "samples": N, "seed": N} is answered by
// {"samples": [TEXT...], "unfinished": N}, {"schema": TEXT, "accepts": [TEXT...]} by
// {"accepts": [BOOL...]}, and a schema that is not taken by {"refused": TEXT}.
#include <iostream>
#include <random>
#include <string>

#include "checkpoint/json_text.h"
#include "checkpoint/json_value.h"
#include "constraint/compiled_constraint.h"
#include "constraint/constraint_state.h"
#include "gemma3n/error.h"
#include "text/tokenizer.h"

namespace gemma3n {
namespace {

constexpr int kMostTokens = 2000;
constexpr int32_t kEnd = 1;

std::shared_ptr<const TokenTrie> ReadTokens(const char* path) {
  const auto tokenizer = Tokenizer::Parse(JsonValue::Load(path));
  std::vector<std::string> bytes(static_cast<size_t>(tokenizer->vocab_size()));
  for (int32_t id = 0; id < static_cast<int32_t>(bytes.size()); ++id) {
    std::string& text = bytes[static_cast<size_t>(id)];
    if (tokenizer->IsControl(id)) continue;
    if (const auto byte = tokenizer->ByteOf(id)) {
      text = static_cast<char>(*byte);
    } else {
      AppendPieceText(tokenizer->Piece(id), text);
    }
  }
  const int32_t ends[] = {kEnd};
  return std::make_shared<const TokenTrie>(std::move(bytes), ends);
}

std::vector<int32_t> Ids(const TokenMask& mask, size_t vocab_size) {
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < static_cast<int32_t>(vocab_size); ++id) {
    if (mask.Has(id)) ids.push_back(id);
  }
  return ids;
}

// Mostly any token that can be next; now and then, and more often the longer the text gets, one of
// those that end something.
std::string Walk(ConstraintState& state, const TokenTrie& tokens, std::mt19937_64& random,
                 bool& finished) {
  std::string text;
  for (int step = 0; step < kMostTokens; ++step) {
    std::vector<int32_t> ids = Ids(state.Allowed(), tokens.vocab_size());
    if (ids.empty()) throw Error(ErrorKind::kInternal, "nothing is allowed after " + text);
    if (random() % 100 < 25 + static_cast<uint64_t>(step) / 4) {
      std::vector<int32_t> closing;
      for (int32_t id : ids) {
        const std::string_view bytes = tokens.BytesOf(id);
        if (id == kEnd || bytes.find_first_of("\"]}") == 0) closing.push_back(id);
      }
      if (!closing.empty()) ids = std::move(closing);
    }
    const int32_t id = ids[random() % ids.size()];
    if (id == kEnd) {
      finished = true;
      return text;
    }
    state.Accept(id);
    text += tokens.BytesOf(id);
    if (state.MustEnd()) {
      finished = true;
      return text;
    }
  }
  finished = false;
  return text;
}

bool Accepts(const CompiledConstraint& constraint, std::string_view text) {
  Walker walker(constraint.automaton());
  Walker::Place place = walker.Start();
  for (char byte : text) place = walker.Step(place, static_cast<uint8_t>(byte));
  return walker.MayEnd(place);
}

std::string Answer(const JsonValue& question, const std::shared_ptr<const TokenTrie>& tokens) {
  std::shared_ptr<const Constraint> constraint;
  std::string answer;
  try {
    constraint = Constraint::FromJsonSchema(question["schema"].StringView());
  } catch (const Error& error) {
    answer = "{\"refused\": ";
    AppendJsonText(error.what(), answer);
    return answer + "}";
  }
  if (question.Has("accepts")) {
    for (const JsonValue& text : question["accepts"].Items()) {
      answer += answer.empty() ? "" : ", ";
      answer += Accepts(dynamic_cast<const CompiledConstraint&>(*constraint), text.StringView())
                    ? "true"
                    : "false";
    }
    return "{\"accepts\": [" + answer + "]}";
  }
  std::mt19937_64 random(static_cast<uint64_t>(question["seed"].Int()));
  int64_t unfinished = 0;
  for (int64_t i = 0; i < question["samples"].Int(); ++i) {
    ConstraintState state(constraint, tokens);
    bool finished = false;
    const std::string text = Walk(state, *tokens, random, finished);
    unfinished += !finished;
    if (!finished) continue;
    answer += answer.empty() ? "" : ", ";
    AppendJsonText(text, answer);
  }
  return "{\"samples\": [" + answer + "], \"unfinished\": " + std::to_string(unfinished) + "}";
}

}  // namespace
}  // namespace gemma3n

int main(int argc, char** argv) {
  using namespace gemma3n;
  if (argc != 2) {
    std::cerr << "usage: schema_samples TOKENIZER_JSON\n";
    return 2;
  }
  try {
    const auto tokens = ReadTokens(argv[1]);
    for (std::string line; std::getline(std::cin, line);) {
      std::cout << Answer(JsonValue::Parse(line, "question"), tokens) << std::endl;
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
