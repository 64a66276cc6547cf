// SPDX-License-Identifier: Apache-2.0
// Answers that a constraint holds, on the embedded model.
#include <gtest/gtest.h>

#include "checkpoint/json_value.h"
#include "gemma3n/batch.h"
#include "gemma3n/constraint.h"
#include "gemma3n/engine.h"

namespace gemma3n {
namespace {

constexpr char kPerson[] = R"({"type": "object", "required": ["name", "age"], "properties":
    {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0,
     "maximum": 150}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3}}})";

class ConstrainedAnswer : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    engine_ = Engine::Load({.model = GEMMA3N_SOURCE_DIR "/models/nano"});
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static std::vector<Turn> Ask() { return {{Role::kUser, {Part("What is 7 plus 5?")}}}; }
  static GenerateOptions Held(std::shared_ptr<const Constraint> constraint, double temperature = 0,
                              uint64_t seed = 1) {
    GenerateOptions options;
    options.sampling.temperature = temperature;
    options.sampling.seed = seed;
    options.max_tokens = 300;
    options.constraint = std::move(constraint);
    return options;
  }
  static GenerateResult Answer(const GenerateOptions& options) {
    return engine_->NewSession(512)->Generate(Ask(), options);
  }

  static std::shared_ptr<Engine> engine_;
};
std::shared_ptr<Engine> ConstrainedAnswer::engine_;

TEST_F(ConstrainedAnswer, IsOfTheSchemaGreedyAndDrawn) {
  const auto constraint = Constraint::FromJsonSchema(kPerson);
  for (int seed = 0; seed < 20; ++seed) {
    const GenerateResult result = Answer(Held(constraint, seed == 0 ? 0 : 2, seed));
    ASSERT_EQ(result.finish_reason, FinishReason::kStop) << result.text;
    const JsonValue value = JsonValue::Parse(result.text, "answer");
    EXPECT_FALSE(value["name"].String().size() > 48);
    EXPECT_GE(value["age"].Int(0, 150), 0);
    for (const auto& [key, member] : value.Members()) {
      EXPECT_TRUE(key == "name" || key == "age" || key == "tags") << result.text;
    }
  }
}

}  // namespace
}  // namespace gemma3n
