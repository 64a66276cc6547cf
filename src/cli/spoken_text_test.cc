// SPDX-License-Identifier: Apache-2.0
#include "cli/spoken_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemma3n::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// However it is cut.
std::vector<std::string> Spoken(const std::string& text) {
  std::vector<std::string> first;
  for (const size_t piece : {text.size(), size_t{1}, size_t{5}}) {
    SpokenText spoken;
    std::vector<std::string> all;
    for (size_t i = 0; i < text.size(); i += piece) {
      for (auto& sentence : spoken.Push(text.substr(i, piece))) all.push_back(sentence);
    }
    for (auto& sentence : spoken.Finish()) all.push_back(sentence);
    if (piece == text.size()) first = all;
    EXPECT_EQ(all, first) << piece;
  }
  return first;
}

TEST(SpokenText, SentencesComeAsSoonAsTheyAreComplete) {
  SpokenText spoken;
  EXPECT_THAT(spoken.Push("It is 3.5 metres"), IsEmpty());
  EXPECT_THAT(spoken.Push(" long."), IsEmpty());  // it may be a number
  EXPECT_THAT(spoken.Push(" Is"), ElementsAre("It is 3.5 metres long."));
  EXPECT_THAT(spoken.Push(" it?\nYes"), ElementsAre("Is it?"));
  EXPECT_THAT(spoken.Finish(), ElementsAre("Yes"));
  EXPECT_THAT(spoken.Finish(), IsEmpty());
}

TEST(SpokenText, MarksOfMarkdownAreNotSpoken) {
  EXPECT_THAT(Spoken("# The **big** _one_\n\n- a `thing`\n* another\n> quoted\n---\n1. First. So."),
              ElementsAre("The big one", "a thing", "another", "quoted", "1. First.", "So."));
  EXPECT_THAT(Spoken("See [the page](https://x.org/a_b) and ![a cat](c.png)."),
              ElementsAre("See the page and a cat."));
  EXPECT_THAT(Spoken("| a | b |\n|---|---|\n| 1 | 2 |"), ElementsAre("a b", "1 2"));
  EXPECT_THAT(Spoken("2 * 3 is snake_case, ~~not~~ this"),
              ElementsAre("2 * 3 is snake case, not this"));
}

TEST(SpokenText, CodeIsLeftOut) {
  EXPECT_THAT(Spoken("Do this:\n```sh\nrm -rf x. Now.\n```\nDone."),
              ElementsAre("Do this:", "Done."));
}

TEST(SpokenText, ControlCharactersAreSpaces) {
  EXPECT_THAT(Spoken("a\x1b[31mb\x07 c\r\nd\tE\x7f"), ElementsAre("a [31mb c", "d E"));
  EXPECT_THAT(SpokenText().Push("x\xc2\x9by. "), ElementsAre("x y."));
  EXPECT_THAT(Spoken("\x01\x02\n***\n...\n"), IsEmpty());
}

TEST(SpokenText, OtherScripts) {
  SpokenText spoken;
  EXPECT_THAT(spoken.Push("\u4f60\u597d\u3002\u518d"), ElementsAre("\u4f60\u597d\u3002"));
  EXPECT_THAT(spoken.Finish(), ElementsAre("\u518d"));
}

}  // namespace
}  // namespace gemma3n::cli
