// SPDX-License-Identifier: Apache-2.0
// What holding an answer to a schema costs: compiling it, and the mask of the tokens that can be
// next, at first and once it is known, along texts that the schemas let through.
//
//   constraint_bench [TOKENIZER_JSON]
//
// Without a file the vocabulary is made up: 262,144 tokens of 1 to 16 letters, most of them words
// with a space before, and all bytes.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <random>
#include <set>

#include "constraint/constraint_state.h"
#include "run_main.h"
#include "text/tokenizer.h"

namespace gemma3n {
namespace {

// Of this thread's processor time, in ms: what other programs do does not count.
double Now() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

std::vector<std::string> MadeUp() {
  std::set<std::string> words;
  std::mt19937 random(1);
  const std::string letters = "eeettaaooinnsshrrdlucmfwypvbgkjqxz";
  while (words.size() < 262'144 - 257) {
    std::string word = random() % 2 == 0 ? " " : "";
    const size_t length = 1 + random() % 8 + random() % 8;
    for (size_t i = 0; i < length; ++i) word += letters[random() % letters.size()];
    if (random() % 16 == 0) word += "\":,{}[]"[random() % 7];
    if (random() % 8 == 0) word = std::to_string(random() % 1000);
    if (random() % 8 == 0) word.insert(0, "\u00e9\u65e5", 2 + 3 * (random() % 2));
    words.insert(word);
  }
  std::vector<std::string> bytes(1);  // id 0 ends an answer
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(std::string(1, static_cast<char>(byte)));
  bytes.insert(bytes.end(), words.begin(), words.end());
  return bytes;
}

std::vector<std::string> OfFile(const char* path) {
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
  return bytes;
}

// The time of each mask along one answer, at first and once all are known.
void Along(const char* name, const std::string& schema, const std::string& text,
           const std::shared_ptr<const TokenTrie>& tokens, const std::vector<int32_t>& byte_ids) {
  const double begin = Now();
  const auto constraint = Constraint::FromJsonSchema(schema);
  const double compile_ms = Now() - begin;
  std::vector<double> times[2];
  std::vector<float> logits(tokens->vocab_size());
  for (std::vector<double>& each : times) {
    ConstraintState state(constraint, tokens);
    for (char byte : text) {
      const double step = Now();
      state.Allowed().Apply(logits);
      each.push_back(Now() - step);
      state.Accept(byte_ids[static_cast<uint8_t>(byte)]);
    }
    std::sort(each.begin(), each.end());
  }
  const auto mean = [](const std::vector<double>& each) {
    double sum = 0;
    for (double ms : each) sum += ms;
    return sum / static_cast<double>(each.size());
  };
  std::printf("%-28s %8.2f ms  %8.3f %8.3f %8.3f  %8.3f %8.3f %8.3f   %6zu KiB\n", name, compile_ms,
              mean(times[0]), times[0][times[0].size() / 2], times[0].back(), mean(times[1]),
              times[1][times[1].size() / 2], times[1].back(), constraint->Bytes() >> 10);
}

int Run(int argc, char** argv) {
  const double begin = Now();
  std::vector<std::string> bytes = argc > 1 ? OfFile(argv[1]) : MadeUp();
  const double read_ms = Now() - begin;
  std::vector<int32_t> byte_ids(256);
  for (size_t id = 0; id < bytes.size(); ++id) {
    if (bytes[id].size() == 1)
      byte_ids[static_cast<uint8_t>(bytes[id][0])] = static_cast<int32_t>(id);
  }
  const double built = Now();
  const int32_t ends[] = {argc > 1 ? 1 : 0};
  const auto tokens = std::make_shared<const TokenTrie>(std::move(bytes), ends);
  std::printf("%zu tokens, read in %.0f ms, a trie in %.0f ms\n\n", tokens->vocab_size(), read_ms,
              Now() - built);
  std::printf("%-28s %11s  %26s  %26s\n", "", "", "first time, ms a token", "known, ms a token");
  std::printf("%-28s %11s  %8s %8s %8s  %8s %8s %8s\n", "", "compile", "mean", "median", "most",
              "mean", "median", "most");
  const std::string words = "Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam";
  Along("any object", R"({"type": "object"})",
        R"({"name": "Ada", "born": 1815, "of": ["a", {"b": 1.5e3}], "text": ")" + words + "\"}",
        tokens, byte_ids);
  Along("a person",
        R"({"type": "object", "properties": {"name": {"type": "string", "maxLength": 80},
      "born": {"type": "string", "format": "date"}, "age": {"type": "integer", "minimum": 0,
      "maximum": 150}, "tags": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "maxItems": 5}},
      "required": ["name", "born"]})",
        R"({"name": ")" + words + R"(", "born": "1815-12-10", "age": 36, "tags": ["a", "c"]})",
        tokens, byte_ids);
  Along("a length of 1000", R"({"type": "string", "minLength": 10, "maxLength": 1000})",
        "\"" + words + "\"", tokens, byte_ids);
  Along("a pattern",
        R"({"type": "string", "pattern": "^[A-Z][a-z]+( [a-z,]+)*$", "maxLength": 200})",
        "\"" + words + "\"", tokens, byte_ids);
  std::string many = R"({"enum": ["zz")";
  for (int i = 0; i < 20'000; ++i) many += ",\"" + std::to_string(i * 7) + "\"";
  Along("an enum of 20,000", many + "]}", "\"69993\"", tokens, byte_ids);
  return 0;
}

}  // namespace
}  // namespace gemma3n

int main(int argc, char** argv) {
  return gemma3n::RunMain(gemma3n::Run, argc, argv);
}
