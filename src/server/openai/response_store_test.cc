// SPDX-License-Identifier: Apache-2.0
#include "server/openai/response_store.h"

#include <gtest/gtest.h>

namespace gemma3n::server {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

KeptResponse Response(const std::string& json) {
  return {.json = json,
          .input = {{"msg_of_" + json, "\"in\""}},
          .output = {{"out_of_" + json, "\"out\""}},
          .dialogue = {.turns = {{Role::kUser, {Part("x")}}}}};
}

bool Holds(ResponseStore& store, const std::string& owner, const std::string& id) {
  return store.Find(owner, id) != nullptr;
}

TEST(ResponseStore, KeepsTheLastOfEachOwner) {
  ResponseStore store({.responses = 2});
  store.Keep("a", "1", Response("one"));
  store.Keep("b", "2", Response("two"));
  store.Keep("a", "3", Response("three"));
  store.Keep("a", "4", Response("four"));
  EXPECT_FALSE(Holds(store, "a", "1"));
  EXPECT_TRUE(Holds(store, "b", "2"));
  ASSERT_TRUE(Holds(store, "a", "3"));
  EXPECT_EQ(store.Find("a", "4")->json, "four");
}

TEST(ResponseStore, hostile_A09_ShowsNobodyWhatIsAnothers) {
  ResponseStore store;
  store.Keep("a", "1", Response("one"));
  EXPECT_FALSE(Holds(store, "b", "1"));
  EXPECT_FALSE(store.FindItem("b", "msg_of_one"));
  EXPECT_FALSE(store.Forget("b", "1"));
  EXPECT_EQ(store.FindItem("a", "msg_of_one"), "\"in\"");
  EXPECT_EQ(store.FindItem("a", "out_of_one"), "\"out\"");
  EXPECT_TRUE(store.Forget("a", "1"));
  EXPECT_FALSE(Holds(store, "a", "1"));
  EXPECT_FALSE(store.FindItem("a", "msg_of_one"));
}

TEST(ResponseStore, ForgetsAfterAnHour) {
  ResponseStore store;
  const auto then = ResponseStore::Clock::now() - minutes(61);
  store.Keep("a", "1", Response("one"), then);
  store.Keep("a", "2", Response("two"), then + seconds(120));
  EXPECT_FALSE(Holds(store, "a", "1"));
  EXPECT_TRUE(Holds(store, "a", "2"));
}

TEST(ResponseStore, HoldsNoMoreThanItsBytes) {
  ResponseStore store({.bytes = 1 << 20});
  for (int i = 0; i < 10; ++i) {
    KeptResponse large = Response("x");
    // A picture counts, too.
    large.dialogue.turns[0].parts.push_back(
        Part(Image{.width = 300, .height = 300, .rgb = std::vector<uint8_t>(270'000)}));
    store.Keep("owner " + std::to_string(i), std::to_string(i), std::move(large));
  }
  int held = 0;
  for (int i = 0; i < 10; ++i) {
    held += Holds(store, "owner " + std::to_string(i), std::to_string(i));
  }
  EXPECT_EQ(held, 3);
  EXPECT_TRUE(Holds(store, "owner 9", "9"));
  store.Keep("a", "huge", Response(std::string(2 << 20, 'x')));
  EXPECT_FALSE(Holds(store, "a", "huge"));
  EXPECT_TRUE(Holds(store, "owner 9", "9"));
}

TEST(ResponseStore, CancelsNothingThatIsNotUnderWay) {
  ResponseStore store;
  store.Begin("a", "1", "{}", {});
  EXPECT_FALSE(store.Cancel("a", "1"));  // its request has gone
  EXPECT_FALSE(store.Cancel("b", "1"));
  store.End("1");
  EXPECT_FALSE(store.Cancel("a", "1"));
}

}  // namespace
}  // namespace gemma3n::server
