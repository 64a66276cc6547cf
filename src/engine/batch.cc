// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/batch.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "engine/session.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;
using Phase = SessionOfModel::Phase;

class BatchOfSessions : public Batch {
 public:
  explicit BatchOfSessions(const BatchOptions& options) : options_(options) {
    if (options.reading_positions < 0) {
      throw Error(ErrorKind::kUsage, "batch: expected 0 or more positions to read, found " +
                                         std::to_string(options.reading_positions));
    }
  }

  void Add(Session& session, BatchRequest request) override {
    auto* const steps = dynamic_cast<SessionOfModel*>(&session);
    for (const auto& entry : entries_) {
      if (&entry->session == &session) {
        throw Error(ErrorKind::kUsage, "batch: the session has a request under way");
      }
      if (steps != nullptr && entry->steps != nullptr &&
          &entry->steps->model() != &steps->model()) {
        throw Error(ErrorKind::kUsage, "batch: expected sessions of one engine");
      }
    }
    auto entry = std::make_unique<Entry>(Entry{session, steps, std::move(request)});
    if (steps != nullptr) {
      BatchRequest& asked = entry->asked;
      entry->request = steps->Begin(asked.turns, asked.options, std::move(asked.on_text),
                                    std::move(asked.on_progress));
    }
    entries_.push_back(std::move(entry));
  }

  bool Advance() override {
    Entry* const reading = NextToRead();
    const bool reads = reading != nullptr;
    if (reads) ReadOn(*reading);
    if (!reads || options_.reading_positions > 0) StepAll();
    TellEnded();
    return !entries_.empty();
  }

  size_t size() const override { return entries_.size(); }

 private:
  struct Entry {
    Session& session;
    SessionOfModel* steps;  // the same; null: of another kind, which answers in one go
    BatchRequest asked;
    std::unique_ptr<SessionOfModel::Request> request = nullptr;  // of `steps`
    bool answered = false;                                       // in one go
    int64_t last_read = 0;                                       // NextToRead
    GenerateResult result = {};
    std::exception_ptr error = nullptr;

    Phase phase() const {
      if (error != nullptr) return Phase::kEnded;
      if (request != nullptr) return request->phase;
      return answered ? Phase::kEnded : Phase::kReading;
    }
    bool IsIn(Phase wanted) const { return phase() == wanted; }
    // Of those that are being read:
    bool WaitsFor(const Entry& earlier) const {
      return steps != nullptr && earlier.steps != nullptr &&
             steps->ShouldWaitFor(*request, *earlier.steps, *earlier.request);
    }
    int64_t Left() const { return steps == nullptr ? 0 : steps->PositionsLeft(*request); }
    // What fails ends this request only.
    template <class Fn>
    void Do(const Fn& fn) {
      try {
        fn();
      } catch (...) {
        error = std::current_exception();
      }
    }
  };

  // By turns the one that has least left, so that a short prompt does not wait for all of a long
  // one, and one of each client, the first that came, so that neither a long one waits for all
  // short ones that come nor anybody for all that another client asks. One that needs what an
  // earlier one is about to read waits for it.
  Entry* NextToRead() {
    std::vector<Entry*> earlier, reading;
    for (const auto& entry : entries_) {
      if (!entry->IsIn(Phase::kReading)) continue;
      const auto waits_for = [&](const Entry* other) { return entry->WaitsFor(*other); };
      if (std::none_of(earlier.begin(), earlier.end(), waits_for)) reading.push_back(entry.get());
      earlier.push_back(entry.get());
    }
    if (reading.empty()) return nullptr;
    if (options_.reading_positions == 0) return reading[0];
    shortest_next_ = !shortest_next_;
    const auto next = std::min_element(
        reading.begin(), reading.end(), [this](const Entry* one, const Entry* other) {
          return shortest_next_ ? one->Left() < other->Left() : LastRead(*one) < LastRead(*other);
        });
    if (!shortest_next_) (*next)->last_read = ++reads_;
    return *next;
  }

  // When it was the turn of its client.
  int64_t LastRead(const Entry& entry) const {
    int64_t last = 0;
    for (const auto& one : entries_) {
      if (one->asked.client == entry.asked.client) last = std::max(last, one->last_read);
    }
    return last;
  }

  // How many positions of a prompt are read now.
  int64_t PositionsAtOnce(int64_t most) const {
    if (options_.reading_positions == 0) return most;
    const bool others_wait = std::any_of(entries_.begin(), entries_.end(), [](const auto& other) {
      return other->IsIn(Phase::kAnswering);
    });
    // While nobody waits, somebody may yet come, or this one leave.
    constexpr double kAloneSeconds = 1;
    const double seconds = others_wait ? options_.reading_seconds : kAloneSeconds;
    if (others_wait) most = std::min(most, options_.reading_positions);
    const int64_t in_time = static_cast<int64_t>(positions_per_second_ * seconds);
    return std::min(most, std::max(kFewestPositions, in_time));
  }

  void ReadOn(Entry& entry) {
    entry.Do([&] {
      if (entry.steps == nullptr) {
        const BatchRequest& asked = entry.asked;
        entry.result =
            entry.session.Generate(asked.turns, asked.options, asked.on_text, asked.on_progress);
        entry.answered = true;
        return;
      }
      const Timings& timings = entry.request->result.timings;
      const Timings before = timings;
      using Encoding = SessionOfModel::Encoding;
      entry.steps->Read(*entry.request, PositionsAtOnce(entry.steps->decoder().max_chunk()),
                        options_.reading_positions > 0 ? Encoding::kInPieces : Encoding::kWhole);
      const int64_t read = timings.prefill_tokens - before.prefill_tokens;
      if (read < kFewestPositions) return;  // of a few, most of the time is that of the weights
      const double seconds = std::max(1e-6, (timings.prefill_ms - before.prefill_ms) / 1000);
      positions_per_second_ = static_cast<double>(read) / seconds;
    });
  }

  void StepAll() {
    // By their sizes. Callbacks may add entries, which have nothing to step yet.
    std::vector<std::vector<Entry*>> groups;
    std::vector<Entry*> alone;
    for (const auto& entry : entries_) {
      if (!entry->IsIn(Phase::kAnswering)) continue;
      if (!entry->steps->SharesSteps(*entry->request)) {
        alone.push_back(entry.get());
        continue;
      }
      const auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
        return group.size() < kMostTogether &&
               group[0]->steps->decoder().shape() == entry->steps->decoder().shape();
      });
      (same == groups.end() ? groups.emplace_back() : *same).push_back(entry.get());
    }
    for (Entry* entry : alone) {
      entry->Do([&] { entry->steps->Step(*entry->request); });
    }
    for (const auto& group : groups) StepTogether(group);
  }

  void StepTogether(std::span<Entry* const> group) {
    if (group.size() == 1) {
      return group[0]->Do([&] { group[0]->steps->Step(*group[0]->request); });
    }
    Decoder& decoder = group[0]->steps->decoder();
    const size_t vocab = static_cast<size_t>(decoder.vocab_size());
    logits_.resize(std::max(logits_.size(), group.size() * vocab));
    std::vector<DecoderState*> states;
    std::vector<int32_t> ids;
    for (Entry* entry : group) {
      states.push_back(&entry->steps->state());
      ids.push_back(entry->request->answer->seen().back());
    }
    const Clock::time_point begin = Clock::now();
    try {
      decoder.StepMany(states, ids, std::span(logits_).first(group.size() * vocab));
    } catch (...) {
      for (Entry* entry : group) entry->error = std::current_exception();
      return;
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    for (size_t i = 0; i < group.size(); ++i) {
      const std::span<const float> row(logits_.data() + i * vocab, vocab);
      group[i]->Do([&] { group[i]->steps->TakeStep(*group[i]->request, row, seconds); });
    }
  }

  void TellEnded() {
    while (true) {
      const auto ended = std::find_if(entries_.begin(), entries_.end(),
                                      [](const auto& entry) { return entry->IsIn(Phase::kEnded); });
      if (ended == entries_.end()) return;
      // Its session is free again when it is told.
      const std::unique_ptr<Entry> entry = std::move(*ended);
      entries_.erase(ended);
      if (entry->request != nullptr) {
        if (entry->error == nullptr) {
          entry->Do([&] { entry->result = entry->steps->End(*entry->request); });
        }
        if (entry->error != nullptr) entry->result = std::move(entry->request->result);
        entry->request.reset();
      }
      if (entry->asked.on_done) entry->asked.on_done(std::move(entry->result), entry->error);
    }
  }

  static constexpr size_t kMostTogether = 64;  // rows of logits that are held at once
  static constexpr int64_t kFewestPositions = 16;

  BatchOptions options_;
  std::vector<std::unique_ptr<Entry>> entries_;  // in the order they came
  bool shortest_next_ = false;                   // NextToRead
  int64_t reads_ = 0;                            // the same
  double positions_per_second_ = 1e9;            // of what was read last
  std::vector<float> logits_;                    // [group, vocabulary]
};

}  // namespace

std::unique_ptr<Batch> Batch::New(const BatchOptions& options) {
  return std::make_unique<BatchOfSessions>(options);
}

}  // namespace gemma3n
