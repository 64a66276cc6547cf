// SPDX-License-Identifier: Apache-2.0
#include "server/qr.h"

#include <gtest/gtest.h>

#include <vector>

#include "gemma3n/error.h"

namespace gemma3n::server {
namespace {

// The half blocks of the lines, as rows of modules; '#' is dark.
std::vector<std::string> Modules(const std::string& lines) {
  std::vector<std::string> rows;
  size_t at = 0;
  while (at < lines.size()) {
    const size_t end = lines.find('\n', at);
    std::string_view line = std::string_view(lines).substr(at, end - at);
    EXPECT_TRUE(line.starts_with("\x1b[30;47m") && line.ends_with("\x1b[0m"));
    line.remove_prefix(8);
    line.remove_suffix(4);
    std::string upper, lower;
    while (!line.empty()) {
      const bool full = line.starts_with("█"), up = line.starts_with("▀"),
                 down = line.starts_with("▄");
      upper += full || up ? '#' : ' ';
      lower += full || down ? '#' : ' ';
      line.remove_prefix(full || up || down ? 3 : 1);
    }
    rows.push_back(upper);
    rows.push_back(lower);
    at = end + 1;
  }
  return rows;
}

TEST(Qr, HasItsMarksInThreeCorners) {
  const std::vector<std::string> rows = Modules(QrBlocks("https://192.168.1.20:11434/#key=abc"));
  const size_t side = rows.front().size();
  ASSERT_EQ(side, 29u + 8);  // version 3 and its quiet zone
  const auto has_mark = [&](size_t x, size_t y) {
    return rows[y].substr(x, 7) == "#######" && rows[y + 1].substr(x, 7) == "#     #" &&
           rows[y + 3].substr(x, 7) == "# ### #" && rows[y + 6].substr(x, 7) == "#######";
  };
  EXPECT_TRUE(has_mark(4, 4));
  EXPECT_TRUE(has_mark(side - 11, 4));
  EXPECT_TRUE(has_mark(4, side - 11));
  EXPECT_FALSE(has_mark(side - 11, side - 11));
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(rows[i], std::string(side, ' '));
}

TEST(Qr, IsAPicture) {
  const std::string svg = QrSvg("https://127.0.0.1:11434/?a=<b>&\"");
  EXPECT_TRUE(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 "));
  EXPECT_TRUE(svg.ends_with("</svg>"));
  EXPECT_NE(svg.find("M4 4h7v1h-7z"), std::string::npos);  // the first mark's upper edge
  EXPECT_EQ(svg.find("127"), std::string::npos);           // the text itself is not in it
}

TEST(Qr, HasLimits) {
  EXPECT_NO_THROW(QrSvg(std::string(1000, 'x')));
  EXPECT_THROW(QrSvg(std::string(1001, 'x')), Error);
  EXPECT_THROW(QrBlocks(""), Error);
}

}  // namespace
}  // namespace gemma3n::server
