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
  static const ImageFile* FileOf(const Part& part) {
    return std::get<std::shared_ptr<const ImageFile>>(part.content).get();
  }
  ModelFacts facts_{.sees = true, .hears = false};
  ServerLimits limits_;
  MediaReader reader_{facts_, limits_};
};

TEST_F(MediaReaderTest, KnowsAPictureAgain) {
  const std::string uri = "data:image/png;base64," + Encode(FileText("pictures-0068.png"));
  const Part first = Picture(uri);
  EXPECT_EQ(FileOf(first)->Load().width, 128);
  EXPECT_EQ(FileOf(Picture(uri)), FileOf(first));
  EXPECT_EQ(FileOf(Picture("data:;base64," + uri.substr(uri.find(',') + 1))), FileOf(first));
  const Part other = Picture("data:;base64," + Encode(FileText("pictures-0069.png")));
  EXPECT_NE(FileOf(other), FileOf(first));
  EXPECT_NE(other.id, first.id);
  // Also one that knows nothing of it: the engine goes by the id.
  MediaReader later(facts_, limits_);
  EXPECT_EQ(later.Read(MediaReader::Kind::kPicture, uri, false, "there", "2").id, first.id);
}

TEST_F(MediaReaderTest, SharesNothingBetweenOwners) {
  const std::string uri = "data:image/png;base64," + Encode(FileText("pictures-0068.png"));
  const Part first = Picture(uri, "1");
  EXPECT_NE(FileOf(Picture(uri, "2")), FileOf(first));
}

TEST_F(MediaReaderTest, BoundsTheMemoryOfAllMedia) {
  const std::string one = FileText("pictures-0068.png"), two = FileText("pictures-0069.png");
  limits_.all_media_bytes = std::max(one.size(), two.size());
  MediaReader reader(facts_, limits_);
  const auto read = [&](const std::string& bytes) {
    return reader.Read(MediaReader::Kind::kPicture, Encode(bytes), true, "here", "");
  };
  read(one);
  {
    const Part held = read(two);  // what was only kept makes room
    try {
      read(one);
      FAIL();
    } catch (const Refusal& refusal) {
      EXPECT_EQ(refusal.reason, Reason::kBusy);
    }
  }
  EXPECT_EQ(FileOf(read(one))->memory_bytes(), one.size());  // what nobody holds does, too
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
