// SPDX-License-Identifier: Apache-2.0
#include "server/file_store.h"

#include <gtest/gtest.h>

#include "server/refusal.h"

namespace gemma3n::server {
namespace {

class FileStoreTest : public testing::Test {
 protected:
  StoredFile File(const std::string& bytes, const std::string& id = "") const {
    const auto spool = std::make_shared<Spool>(budget_);
    spool->Take(bytes);
    return {.id = id, .label = "a.wav", .bytes = spool};
  }
  template <class Function>
  static Reason ReasonOf(const Function& function) {
    try {
      function();
    } catch (const Refusal& refusal) {
      return refusal.reason;
    }
    return Reason::kInternal;
  }

  const std::shared_ptr<DiskBudget> budget_ = std::make_shared<DiskBudget>(1000);
  int64_t now_ = 100;
  FileStore store_{{.bytes = 100, .files = 3, .seconds = 10}, [this] { return now_; }};
};

TEST_F(FileStoreTest, KeepsAndForgets) {
  const StoredFile kept = store_.Add("a", File("hello"));
  EXPECT_TRUE(FileStore::IsId(kept.id));
  EXPECT_EQ(kept.created_at, 100);
  EXPECT_EQ(kept.expires_at, 110);
  EXPECT_EQ(store_.Get("a", kept.id).bytes->Text(), "hello");
  EXPECT_EQ(store_.bytes(), 5u);
  store_.Delete("a", kept.id);
  EXPECT_EQ(store_.bytes(), 0u);
  EXPECT_EQ(ReasonOf([&] { store_.Get("a", kept.id); }), Reason::kNotFound);
  EXPECT_EQ(ReasonOf([&] { store_.Delete("a", kept.id); }), Reason::kNotFound);
}

TEST_F(FileStoreTest, hostile_A09_OwnersSeeTheirOwn) {
  store_.Add("a", File("one", "x"));
  store_.Add("b", File("two", "x"));  // that a has one of this name is not told either
  store_.Add("a", File("three", "y"));
  EXPECT_EQ(store_.Get("a", "x").bytes->Text(), "one");
  EXPECT_EQ(store_.Get("b", "x").bytes->Text(), "two");
  EXPECT_EQ(ReasonOf([&] { store_.Get("b", "y"); }), Reason::kNotFound);
  EXPECT_EQ(ReasonOf([&] { store_.Delete("b", "y"); }), Reason::kNotFound);
  EXPECT_EQ(store_.List("b").size(), 1u);
  ASSERT_EQ(store_.List("a").size(), 2u);
  EXPECT_EQ(store_.List("a")[0].id, "y");
}

TEST_F(FileStoreTest, TimeAndRoomEnd) {
  store_.Add("a", File(std::string(60, 'x'), "x"));
  EXPECT_EQ(ReasonOf([&] { store_.Add("b", File(std::string(41, 'x'))); }), Reason::kFull);
  EXPECT_EQ(ReasonOf([&] { store_.Add("b", File(std::string(101, 'x'))); }), Reason::kTooLarge);
  EXPECT_EQ(ReasonOf([&] { store_.Add("a", File("", "x")); }), Reason::kInvalidValue);
  now_ = 105;
  store_.Add("b", File("", "y"));
  store_.Add("b", File("", "z"));
  EXPECT_EQ(ReasonOf([&] { store_.Add("b", File("")); }), Reason::kFull);
  EXPECT_EQ(budget_->taken(), 60u);
  now_ = 110;
  EXPECT_EQ(ReasonOf([&] { store_.Get("a", "x"); }), Reason::kNotFound);
  EXPECT_EQ(budget_->taken(), 0u);
  store_.Add("b", File(std::string(100, 'x')));
  EXPECT_EQ(store_.List("b").size(), 3u);
}

TEST_F(FileStoreTest, IdsAreNoPaths) {
  for (const char* id : {"../x", "a/b", "A", "a.b", "a b", "ä"}) {
    EXPECT_FALSE(FileStore::IsId(id)) << id;
    EXPECT_EQ(ReasonOf([&] { store_.Add("a", File("", id)); }), Reason::kInvalidValue) << id;
  }
  EXPECT_FALSE(FileStore::IsId(std::string(41, 'a')));
  EXPECT_TRUE(FileStore::IsId(std::string(40, 'a')));
  EXPECT_TRUE(FileStore::IsId("file-09az"));
}

}  // namespace
}  // namespace gemma3n::server
