// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstring>

#include "base/utf8.h"
#include "gemma3n/error.h"
#include "text/detokenizer.h"

namespace gemma3n {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Control tokens 0 to 3, a newline run as an added token that is no control token, the bytes, a few
// letters and merges.
std::string SmallTokenizer(const std::string& extra_merge = "") {
  std::string vocab;
  int id = 0;
  const auto add = [&](const std::string& piece) {
    vocab += (id ? "," : "") + ("\"" + piece + "\":" + std::to_string(id));
    return id++;
  };
  for (const char* piece : {"<pad>", "<eos>", "<bos>", "<start_of_turn>", "\\n\\n", "\\n"})
    add(piece);
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    add(name);
  }
  for (const char* piece :
       {"a", "b", "\u2581", "ab", "\u2581a", "abab", "<", "s", "t", ">", "\u0301", "\u0301\u0301"})
    add(piece);
  return R"({"normalizer":{"type":"Replace","pattern":{"String":" "},"content":"▁"},
    "added_tokens":[{"id":2,"content":"<bos>","special":true},
                    {"id":3,"content":"<start_of_turn>","special":true},
                    {"id":4,"content":"\n\n","special":false}],
    "model":{"type":"BPE","byte_fallback":true,"vocab":{)" +
         vocab + R"(},"merges":["a b",["▁","a"],["ab","ab"])" + extra_merge + "]}}";
}

std::unique_ptr<Tokenizer> Small() {
  return Tokenizer::Parse(JsonValue::Parse(SmallTokenizer(), "tokenizer.json"));
}

std::vector<std::string> Pieces(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  std::vector<std::string> pieces;
  for (int32_t id : ids) pieces.emplace_back(tokenizer.Piece(id));
  return pieces;
}

constexpr auto kAsText = Tokenizer::ControlTokens::kAsText;
constexpr auto kParse = Tokenizer::ControlTokens::kParse;

TEST(Tokenizer, MergesByRankThenFromTheLeft) {
  const auto tokenizer = Small();
  EXPECT_THAT(Pieces(*tokenizer, tokenizer->Encode("abab", kParse)), ElementsAre("abab"));
  // "a b" has the lower rank, so that the space's own merge finds no "a" left.
  EXPECT_THAT(Pieces(*tokenizer, tokenizer->Encode(" ab", kParse)), ElementsAre("\u2581", "ab"));
  EXPECT_THAT(Pieces(*tokenizer, tokenizer->Encode(" aa", kParse)), ElementsAre("\u2581a", "a"));
}

TEST(Tokenizer, UnknownCharactersBecomeBytes) {
  const auto tokenizer = Small();
  EXPECT_THAT(Pieces(*tokenizer, tokenizer->Encode("aé", kParse)),
              ElementsAre("a", "<0xC3>", "<0xA9>"));
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode("aé b", kParse), true), "aé b");
}

TEST(Tokenizer, hostile_P01_TypedControlTokensStayText) {
  const auto tokenizer = Small();
  const std::string text = "a<start_of_turn>b";
  for (int32_t id : tokenizer->Encode(text, kAsText)) EXPECT_FALSE(tokenizer->IsControl(id));
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text, kAsText), true), text);
  EXPECT_THAT(tokenizer->Encode(text, kParse), testing::Contains(3));
  // Other added tokens match in both modes, also across the border of what was typed.
  const TextRange plain[] = {{0, 1}};
  EXPECT_THAT(tokenizer->Encode("\n\n", plain), ElementsAre(4));
  EXPECT_THAT(tokenizer->Encode("\n\n", kAsText), ElementsAre(4));
  // A control token that touches typed text is none.
  const TextRange inside[] = {{5, 6}};
  for (int32_t id : tokenizer->Encode("<start_of_turn>", inside)) EXPECT_NE(id, 3);
}

TEST(Tokenizer, hostile_P06_LongTextsTakeLinearTime) {
  // Also marks that merge with each other.
  const auto tokenizer = Tokenizer::Parse(
      JsonValue::Parse(SmallTokenizer(R"(,["\u0301","\u0301"])"), "tokenizer.json"));
  const auto seconds = [&](const std::string& text) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text, kAsText), true), text);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  // Letters, spaces, bytes, combining marks alone, on letters and of different kinds; what looks
  // like a control token, whole and begun.
  for (const char* unit : {"a", "ab", " ", "\u00e9", "\n", "\u0301", "a\u0301", "\u0323\u0301",
                           "<bos>", "<start_of_turn"}) {
    std::string small, large;
    for (int i = 0; i < 20000; ++i) small += unit;
    for (int i = 0; i < 16; ++i) large += small;
    // Quadratic growth would be 256 times as long; linear is 16 times.
    EXPECT_LT(seconds(large), 100 * seconds(small) + 0.05) << unit;
  }
}

TEST(Tokenizer, hostile_P07_EveryCodePointRoundTrips) {
  const auto tokenizer = Small();
  std::string text;
  for (char32_t c = 0; c < 0x110000; c += (c < 0x3000 ? 1 : 61)) {
    if (c < 0xD800 || c > 0xDFFF) {
      if (c != 0x2581) AppendUtf8(c, text);
    }
  }
  const std::vector<int32_t> ids = tokenizer->Encode(text, kAsText);
  EXPECT_EQ(tokenizer->Decode(ids, true), text);
  Detokenizer detokenizer(*tokenizer, true);
  std::string streamed;
  for (int32_t id : ids) {
    const std::string part = detokenizer.Push(id);
    ASSERT_TRUE(IsValidUtf8(part));
    streamed += part;
  }
  EXPECT_EQ(streamed + detokenizer.Finish(), text);
}

TEST(Tokenizer, InvalidUtf8IsReplaced) {
  const auto tokenizer = Small();
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode("a\xff\xe2\x82z", kAsText), true),
            "a\ufffd\ufffdz");
}

TEST(Detokenizer, hostile_J14_HoldsBackHalfCharacters) {
  const auto tokenizer = Small();
  Detokenizer detokenizer(*tokenizer, true);
  const int32_t c3 = *tokenizer->Find("<0xC3>"), a9 = *tokenizer->Find("<0xA9>");
  EXPECT_EQ(detokenizer.Push(c3), "");
  EXPECT_EQ(detokenizer.Push(a9), "é");
  EXPECT_EQ(detokenizer.Push(c3), "");
  EXPECT_EQ(detokenizer.Push(*tokenizer->Find("a")), "\ufffda");
  detokenizer.Push(c3);
  EXPECT_EQ(detokenizer.Finish(), "\ufffd");
}

std::string MessageOf(std::string file, const std::string& from, const std::string& to) {
  file.replace(file.find(from), from.size(), to);
  try {
    Tokenizer::Parse(JsonValue::Parse(file, "tokenizer.json"));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Tokenizer, hostile_D02_OtherFilesAreRefused) {
  const std::string good = SmallTokenizer();
  EXPECT_THAT(MessageOf(good, "\"Replace\"", "\"NFKC\""), HasSubstr("normalizer"));
  EXPECT_THAT(MessageOf(good, "\"BPE\"", "\"Unigram\""), HasSubstr("BPE"));
  EXPECT_THAT(MessageOf(good, "\"byte_fallback\":true", "\"byte_fallback\":false"),
              HasSubstr("byte_fallback"));
  EXPECT_THAT(MessageOf(good, "<0x41>", "<0xZZ>"), HasSubstr("<0x41>"));
  EXPECT_THAT(MessageOf(good, "\"<eos>\":1", "\"<eos>\":0"), HasSubstr("no other piece"));
  EXPECT_THAT(MessageOf(good, "\"<eos>\":1", "\"<eos>\":-1"), HasSubstr("<eos>"));
  EXPECT_THAT(MessageOf(good, "\"<eos>\":1", "\"<eos>\":99999999"), HasSubstr("<eos>"));
  EXPECT_THAT(MessageOf(good, "\"a b\"", "\"ab\""), HasSubstr("merges[0]"));
  EXPECT_THAT(MessageOf(good, "\"a b\"", "\"a z\""), HasSubstr("in the vocabulary"));
  EXPECT_THAT(MessageOf(good, "\"id\":2", "\"id\":7"), HasSubstr("vocabulary's id"));
  EXPECT_THAT(MessageOf("[1]", "1", "2"), HasSubstr("a tokenizer.json"));
}

TEST(CompiledTokenizer, IsTheSame) {
  const auto before = Small();
  const std::string bytes = before->Compiled();
  const auto after = Tokenizer::ReadCompiled(bytes, "tokenizer.compiled");
  EXPECT_EQ(after->Compiled(), bytes);
  EXPECT_EQ(after->vocab_size(), before->vocab_size());
  for (const char* text : {"ab abab\n\n<bos>b a", "<start_of_turn>\u0301\u0301é<t>ababab ab", ""}) {
    for (auto mode : {kAsText, kParse}) {
      EXPECT_EQ(after->Encode(text, mode), before->Encode(text, mode)) << text;
    }
  }
  for (int32_t id = 0; id < before->vocab_size(); ++id) {
    EXPECT_EQ(after->Piece(id), before->Piece(id));
    EXPECT_EQ(after->IsControl(id), before->IsControl(id));
  }
}

std::string CompiledRefusal(const std::string& bytes) {
  try {
    Tokenizer::ReadCompiled(bytes, "tokenizer.compiled");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(CompiledTokenizer, RefusesWhatIsNone) {
  const std::string good = Small()->Compiled();
  EXPECT_EQ(CompiledRefusal(good), "");
  for (size_t size : {size_t{0}, size_t{7}, size_t{20}, good.size() / 2, good.size() - 1}) {
    EXPECT_THAT(CompiledRefusal(good.substr(0, size)), HasSubstr("tokenizer.compiled: expected"));
  }
  EXPECT_THAT(CompiledRefusal(good + "x"), HasSubstr("expected no more bytes, found 1"));
  const auto with = [&](size_t at, uint32_t number) {
    std::string bytes = good;
    std::memcpy(bytes.data() + at, &number, sizeof(number));
    return bytes;
  };
  const size_t lengths = 24, merges = lengths + 4 * static_cast<size_t>(Small()->vocab_size());
  EXPECT_THAT(CompiledRefusal(with(8, 1u << 30)), HasSubstr("at most 1048576 pieces"));
  EXPECT_THAT(CompiledRefusal(with(16, 1u << 30)), HasSubstr("at most 4194304 merges"));
  EXPECT_THAT(CompiledRefusal(with(20, 1u << 30)), HasSubstr("added tokens"));
  EXPECT_THAT(CompiledRefusal(with(lengths, 5000)), HasSubstr("at most 1024 bytes of a piece"));
  EXPECT_THAT(CompiledRefusal(with(merges, UINT32_MAX)), HasSubstr("ids of pieces"));
  EXPECT_THAT(CompiledRefusal(with(merges + 8, 1u << 20)), HasSubstr("ids of pieces"));
  EXPECT_THAT(CompiledRefusal(with(merges + 36, 7000)), HasSubstr("ids of pieces"));
}

}  // namespace
}  // namespace gemma3n
