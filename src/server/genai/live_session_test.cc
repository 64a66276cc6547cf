// SPDX-License-Identifier: Apache-2.0
#include "server/genai/live_session.h"

#include <gtest/gtest.h>

namespace gemma3n::server {
namespace {

using std::chrono::minutes;

std::vector<Turn> Said(const std::string& text) {
  return {{Role::kUser, {Part(text)}}};
}

TEST(LiveHandles, hostile_W08_AreOfOneClientForAWhile) {
  LiveHandles handles;
  const Asker mine{.owner = "1", .address = "10.0.0.1"}, other{.owner = "2", .address = "10.0.0.1"};
  const auto now = LiveHandles::Clock::now();
  const std::string fresh = handles.Keep(Said("fresh"), mine);
  const std::string late = handles.Keep(Said("late"), mine, now - minutes(9));
  const std::string expired = handles.Keep(Said("old"), mine, now - minutes(11));
  ASSERT_TRUE(handles.Find(fresh, mine));
  EXPECT_EQ(std::get<std::string>(handles.Find(fresh, mine)->at(0).parts[0].content), "fresh");
  EXPECT_TRUE(handles.Find(late, mine));
  EXPECT_FALSE(handles.Find(expired, mine));
  for (const std::string& forged :
       {fresh + "0", fresh.substr(1), std::string(), std::string("handle_")}) {
    EXPECT_FALSE(handles.Find(forged, mine)) << forged;
  }
  EXPECT_FALSE(handles.Find(fresh, other));
  EXPECT_TRUE(handles.Find(fresh, mine));  // whom that took nothing from
  handles.Forget(fresh);
  EXPECT_FALSE(handles.Find(fresh, mine));
}

TEST(LiveHandles, hostile_W08_AreNoMoreThan256) {
  LiveHandles handles;
  const Asker asker{.address = "10.0.0.1"};
  const auto now = LiveHandles::Clock::now();
  std::vector<std::string> all;
  for (int i = 0; i < 300; ++i) {
    all.push_back(handles.Keep(Said("x"), asker, now + std::chrono::milliseconds(i - 300)));
  }
  for (size_t i = 0; i < all.size(); ++i)
    EXPECT_EQ(handles.Find(all[i], asker).has_value(), i >= 44);
}

}  // namespace
}  // namespace gemma3n::server
