// SPDX-License-Identifier: Apache-2.0
#include "cli/transcript.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace gemma3n::cli {
namespace {

const Segment kSegment{.start_s = 1.5,
                       .end_s = 3661.0456,
                       .text = "a --> b <i>&",
                       .translation = "c",
                       .average_logprob = -0.25,
                       .no_speech = 0.125};

TEST(Transcript, TheFormatIsNamedOrTheFilesEnding) {
  EXPECT_EQ(FormatOf("", "film.srt"), TranscriptFormat::kSrt);
  EXPECT_EQ(FormatOf("vtt", "film.srt"), TranscriptFormat::kVtt);
  EXPECT_EQ(FormatOf("", "dir.srt/film"), TranscriptFormat::kText);
  EXPECT_EQ(FormatOf("", ""), TranscriptFormat::kText);
}

TEST(Transcript, ClocksAreShort) {
  EXPECT_EQ(ShortClock(61), "1:01");
  EXPECT_EQ(ShortClock(7322.9), "2:02:02");
}

TEST(Transcript, WhatIsSaidDoesNotBreakSubtitles) {
  EXPECT_EQ(TranscriptEntry(TranscriptFormat::kSrt, 4, kSegment, false),
            "5\n00:00:01,500 --> 01:01:01,046\na \u2192 b <i>&\nc\n\n");
  EXPECT_EQ(TranscriptEntry(TranscriptFormat::kVtt, 4, kSegment, false),
            "00:00:01.500 --> 01:01:01.046\na --&gt; b &lt;i&gt;&amp;\nc\n\n");
  EXPECT_EQ(TranscriptEntry(TranscriptFormat::kText, 0, kSegment, true),
            "00:00:01  a --> b <i>&\n          c\n");
}

TEST(Transcript, JsonKeepsASegment) {
  const Segment back = SegmentFromJson(SegmentAsJson(kSegment));
  EXPECT_EQ(back.start_s, 1.5);
  EXPECT_EQ(back.end_s, 3661.046);
  EXPECT_EQ(back.text, kSegment.text);
  EXPECT_EQ(back.translation, "c");
  EXPECT_EQ(back.average_logprob, -0.25);
  EXPECT_EQ(back.no_speech, 0.125);
  const auto whole = nlohmann::json::parse(
      TranscriptAsJson({.source = "a.wav", .prompt = "?", .duration_s = 5}, {kSegment, kSegment}));
  EXPECT_EQ(whole["segments"].size(), 2u);
  EXPECT_EQ(whole["text"], kSegment.text + " " + kSegment.text);
  EXPECT_FALSE(whole.contains("language"));
}

}  // namespace
}  // namespace gemma3n::cli
