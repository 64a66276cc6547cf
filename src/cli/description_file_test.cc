// SPDX-License-Identifier: Apache-2.0
#include "cli/description_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

const std::vector<Chapter> kChapters = {{0, 61.5, "a=b; #1 \\ & <c>"}, {61.5, 3601, "two"}};

std::string ContentOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Chapters, OfFfmpegHaveWhatItReadsAsMarksEscaped) {
  EXPECT_EQ(ChaptersAsFfmetadata(kChapters),
            ";FFMETADATA1\n"
            "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=61500\ntitle=a\\=b\\; \\#1 \\\\ & <c>\n"
            "[CHAPTER]\nTIMEBASE=1/1000\nSTART=61500\nEND=3601000\ntitle=two\n");
}

TEST(Chapters, OfWebVttAreCues) {
  EXPECT_EQ(ChaptersAsVtt(kChapters),
            "WEBVTT\n\n00:00:00.000 --> 00:01:01.500\na=b; #1 \\ &amp; &lt;c&gt;\n\n"
            "00:01:01.500 --> 01:00:01.000\ntwo\n\n");
}

TEST(DescriptionFile, IsJsonWhateverWasWritten) {
  const auto path = std::filesystem::temp_directory_path() / "gemma3n_description.json";
  for (int objects = 0; objects < 3; ++objects) {
    DescriptionFile file(path, DescriptionFormatOf(false, path), /*raw_output=*/false);
    EXPECT_TRUE(file.Text("no text in JSON"));
    for (int i = 0; i < objects; ++i) {
      file.Object(
          WindowAsJson("film\xff.mp4", {.from_s = 1.0 * i, .to_s = i + 1.0, .text = "\"\n"}));
    }
    file.Finish();
    const auto found = nlohmann::json::parse(ContentOf(path));
    ASSERT_EQ(found.size(), static_cast<size_t>(objects));
    if (objects > 0) {
      EXPECT_EQ(found[0]["text"], "\"\n");
    }
    EXPECT_FALSE(std::filesystem::exists(path.string() + ".part"));
  }
  std::filesystem::remove(path);
  EXPECT_THROW(
      DescriptionFile(std::filesystem::temp_directory_path(), DescriptionFormat::kText, false),
      Error);
}

TEST(DescriptionFile, FormatsFollowTheNameAndTheOption) {
  EXPECT_EQ(DescriptionFormatOf(false, ""), DescriptionFormat::kText);
  EXPECT_EQ(DescriptionFormatOf(true, ""), DescriptionFormat::kJsonLines);
  EXPECT_EQ(DescriptionFormatOf(true, "a.json"), DescriptionFormat::kJson);
  EXPECT_EQ(DescriptionFormatOf(false, "a.jsonl"), DescriptionFormat::kJsonLines);
  EXPECT_EQ(DescriptionFormatOf(false, "a.txt"), DescriptionFormat::kText);
}

}  // namespace
}  // namespace gemma3n::cli
