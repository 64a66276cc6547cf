// SPDX-License-Identifier: Apache-2.0
#include "speech/answer_text.h"

#include <gtest/gtest.h>

namespace gemma3n {
namespace {

TEST(SpeechPrompt, NamesLanguagesWhereTheyAreKnown) {
  EXPECT_EQ(SpeechPrompt({}), "Transcribe the following speech segment.");
  EXPECT_EQ(SpeechPrompt({.language = "Spanish"}),
            "Transcribe the following speech segment in Spanish.");
  EXPECT_EQ(SpeechPrompt({.task = SpeechTask::kTranslate, .to_language = "German"}),
            "Translate the following speech segment into German.");
  const std::string both =
      SpeechPrompt({.task = SpeechTask::kTranscribeTranslate, .language = "Spanish"});
  EXPECT_NE(both.find("segment in Spanish, then translate it into English."), std::string::npos);
  EXPECT_NE(both.find("'English: '"), std::string::npos);
  EXPECT_EQ(SpeechPrompt({.prompt = "Say what you hear."}), "Say what you hear.");
}

TEST(ReadAnswer, PartsTranscriptAndTranslation) {
  const TranscribeOptions both{.task = SpeechTask::kTranscribeTranslate};
  const SpeechTexts marked = ReadAnswer("abre la\nventana\nenglish: open  the window\n", both);
  EXPECT_EQ(marked.text, "abre la ventana");
  EXPECT_EQ(marked.translation, "open the window");
  const SpeechTexts plain = ReadAnswer("abre la ventana\n\nOpen the window", both);
  EXPECT_EQ(plain.text, "abre la ventana");
  EXPECT_EQ(plain.translation, "Open the window");
  EXPECT_EQ(ReadAnswer("abre la ventana", both).translation, "");
  // In the middle of a line it is part of what is said.
  EXPECT_EQ(ReadAnswer("I speak English: badly", both).text, "I speak English: badly");
}

TEST(ReadAnswer, ADirectTranslationMayComeWithTheTranscript) {
  const TranscribeOptions direct{.task = SpeechTask::kTranslate};
  EXPECT_EQ(ReadAnswer("abre la ventana\nEnglish: open the window", direct).text,
            "open the window");
  EXPECT_EQ(ReadAnswer("open the window", direct).text, "open the window");
}

TEST(ReadAnswer, ATranscriptIsOneLine) {
  EXPECT_EQ(ReadAnswer(" one\n\ntwo ", {}).text, "one two");
  EXPECT_EQ(ReadAnswer("English: yes", {}).text, "English: yes");
  EXPECT_EQ(ReadAnswer("", {}).text, "");
}

}  // namespace
}  // namespace gemma3n
