// SPDX-License-Identifier: Apache-2.0
#include "server/media_reader.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "server/refusal.h"
#include "server/test_base64.h"

namespace gemma3n::server {
namespace {

std::string FileText(const std::string& name) {
  std::ifstream file(GEMMA3N_SOURCE_DIR "/models/nano/eval/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class MediaReaderTest : public testing::Test {
 protected:
  Part Picture(const std::string& text, const std::string& owner = "") {
    return reader_.Read(MediaReader::Kind::kPicture, text, false, "here", owner);
  }
  static const Image* ImageOf(const Part& part) {
    return std::get<std::shared_ptr<const Image>>(part.content).get();
  }
  ModelFacts facts_{.sees = true, .hears = false};
  MediaReader reader_{facts_, MediaLimits()};
};

// The engine encodes a medium again unless it is handed the same one.
TEST_F(MediaReaderTest, KnowsAPictureAgain) {
  const std::string uri = "data:image/png;base64," + Encode(FileText("pictures-0068.png"));
  const Part first = Picture(uri);
  EXPECT_EQ(ImageOf(first)->width, 128);
  EXPECT_EQ(ImageOf(Picture(uri)), ImageOf(first));
  EXPECT_EQ(ImageOf(Picture("data:;base64," + uri.substr(uri.find(',') + 1))), ImageOf(first));
  EXPECT_NE(ImageOf(Picture("data:;base64," + Encode(FileText("pictures-0069.png")))),
            ImageOf(first));
}

TEST_F(MediaReaderTest, SharesNothingBetweenOwners) {
  const std::string uri = "data:image/png;base64," + Encode(FileText("pictures-0068.png"));
  const Part first = Picture(uri, "1");
  EXPECT_NE(ImageOf(Picture(uri, "2")), ImageOf(first));
}

TEST_F(MediaReaderTest, RefusesWhatTheModelDoesNotTake) {
  try {
    reader_.Read(MediaReader::Kind::kSound, "AAAA", true, "here", "");
    FAIL();
  } catch (const Refusal& refusal) {
    EXPECT_EQ(refusal.reason, Reason::kUnsupportedValue);
    EXPECT_STREQ(refusal.what(), "here: this model does not hear");
  }
}

}  // namespace
}  // namespace gemma3n::server
