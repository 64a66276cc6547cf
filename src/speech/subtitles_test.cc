// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/subtitles.h"

#include <gtest/gtest.h>

namespace gemma3n {
namespace {

TEST(Subtitles, TimesAreRoundedToMilliseconds) {
  EXPECT_EQ(SubtitleTime(0, ','), "00:00:00,000");
  EXPECT_EQ(SubtitleTime(-1, ','), "00:00:00,000");
  EXPECT_EQ(SubtitleTime(3661.0456, '.'), "01:01:01.046");
  EXPECT_EQ(SubtitleTime(59.9996, ','), "00:01:00,000");
}

TEST(Subtitles, WhatIsSaidDoesNotBreakCues) {
  const Segment segment{
      .start_s = 1.5, .end_s = 4, .text = "a --> b\n\n\n2 <i>&", .translation = "c"};
  EXPECT_EQ(SrtCue(4, segment), "5\n00:00:01,500 --> 00:00:04,000\na \u2192 b\n2 <i>&\nc\n\n");
  EXPECT_EQ(VttCue(segment), "00:00:01.500 --> 00:00:04.000\na --&gt; b\n2 &lt;i&gt;&amp;\nc\n\n");
}

TEST(Subtitles, NoEndOfALineEndsACue) {
  for (const char* said :
       {"a\r\rb", "a\n\rb", "a\r\n\r\nb", "\na\nb", "\r\na\nb\n", "a\nb\r\n\r\n"}) {
    const Segment segment{.start_s = 0, .end_s = 1, .text = said};
    EXPECT_EQ(SrtCue(0, segment), "1\n00:00:00,000 --> 00:00:01,000\na\nb\n\n") << said;
    EXPECT_EQ(VttCue(segment), "00:00:00.000 --> 00:00:01.000\na\nb\n\n") << said;
  }
}

}  // namespace
}  // namespace gemma3n
