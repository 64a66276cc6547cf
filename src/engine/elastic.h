// SPDX-License-Identifier: Apache-2.0
// One elastic answer: at which size it begins, and to which it moves as its pace and the system ask
// for it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "engine/elastic_policy.h"
#include "engine/first_token.h"
#include "engine/loaded_model.h"
#include "engine/system_state.h"
#include "gemma3n/elastic.h"

namespace gemma3n {

class Elastic {
 public:
  struct Move {
    SubmodelShape shape;
    SizeSwitch report;
    bool for_memory;  // what the new size does not read is to be given back
  };
  // What a session knows before the prompt is read.
  struct Reading {
    SubmodelShape current;  // the size that it stands at
    SubmodelShape cached;   // what it holds was computed with
    int64_t total = 0, cached_positions = 0;
    double seconds_per_cost = 0;  // of a position that is read, of late; 0: not known
    std::chrono::steady_clock::time_point request;
  };

  // Throws Error (kUsage) for wishes out of range and sizes that are not the model's.
  Elastic(const LoadedModel& model, const GenerateOptions& options);

  // The size that reads the prompt: the request's, or a later rung for the wishes' sake, or where
  // the session stands if the conversation would have to be read again for another one.
  std::optional<Move> Begin(const Reading& reading);
  // Instead of Begin: an earlier answer was on its way to this size, which is still being read.
  // False where it is none of the rungs.
  bool Resume(const SubmodelShape& shape);
  // After `read` positions of the prompt took `seconds`, with `left` to go: a size that begins it
  // again.
  std::optional<Move> AfterChunk(int64_t read, double seconds, int64_t left);
  double seconds_per_cost() const { return first_token_.seconds_per_cost(); }

  // After token `token` of the answer, which took `seconds`: the size for the next ones, or nothing
  // new.
  std::optional<Move> Next(int64_t token, double seconds);

 private:
  std::vector<int64_t> PositionsToRead() const;
  double SecondsSinceRequest() const;
  int RungForMemory() const;
  // Of the rungs below `rung_` that can go on with its keys and values the one nearest to `wanted`.
  int SharingRung(int wanted) const;
  Move MoveTo(int rung, int64_t token, double tokens_per_second, std::string why, bool for_memory);
  // Leaves only the rungs that the answer may move to from `rung_`, and begins to watch it.
  void BeginAnswer();

  const LoadedModel& model_;
  const ElasticOptions& options_;
  SizeChange change_;
  std::vector<ModelSize> rungs_;
  std::vector<SubmodelShape> shapes_;
  std::vector<double> costs_;  // what a token of the answer reads, in bytes, of each rung
  int rung_ = 0;
  bool resumed_ = false;
  Reading reading_;
  FirstToken first_token_;
  std::optional<ElasticPolicy> policy_;  // once the answer has begun
  int64_t tokens_ = 0;
  SystemWatch watch_;
};

}  // namespace gemma3n
