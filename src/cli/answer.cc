// SPDX-License-Identifier: Apache-2.0
#include "cli/answer.h"

#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/progress_bar.h"
#include "cli/terminal.h"

namespace gemma3n::cli {
namespace {

double PerSecond(int64_t count, double ms) {
  return ms > 0 ? 1000.0 * static_cast<double>(count) / ms : 0;
}

nlohmann::ordered_json TokenAsJson(const Engine& engine, int32_t id, double logprob) {
  const int32_t ids[] = {id};
  return {{"id", id},
          {"text", engine.Detokenize(ids, /*skip_control_tokens=*/false)},
          {"logprob", logprob}};
}

}  // namespace

GenerateResult Answer(const Engine& engine, Session& session, const std::vector<Turn>& turns,
                      const GenerateOptions& options, const OutputArgs& output,
                      const TextCallback& on_text) {
  const bool show_controls = IsTerminal(STDOUT_FILENO) && !output.raw_output;
  ProgressBar bar(!output.quiet);
  const GenerateResult result = session.Generate(
      turns, options,
      [&](const std::string& text) {
        bar.Clear();
        const bool shown = output.json || Put(show_controls ? ShowControls(text) : text);
        const bool goes_on = !on_text || on_text(text);
        return shown && goes_on && !Interrupted();
      },
      bar.Callback());
  bar.Clear();
  if (output.json) {
    const std::string json = ResultAsJson(engine, result);
    Put(show_controls ? ShowControls(json) : json);
  }
  Put("\n");
  CheckOutput();
  if (output.stats && !output.json) {
    for (const SizeSwitch& change : result.size_switches) {
      const std::string line = "token " + std::to_string(change.token) + ": " +
                               OneLine(change.from) + " -> " + OneLine(change.to) + " (" +
                               change.why + ")";
      std::fprintf(stderr, "%s\n", Dim(line, output.Colors()).c_str());
    }
    std::fprintf(stderr, "%s\n", Dim(StatsLine(result.timings), output.Colors()).c_str());
  }
  return result;
}

std::string ResultAsJson(const Engine& engine, const GenerateResult& result) {
  nlohmann::ordered_json json;
  json["text"] = result.text;
  json["token_ids"] = result.token_ids;
  json["prompt_token_ids"] = result.prompt_token_ids;
  json["finish_reason"] = FinishReasonName(result.finish_reason);
  const Timings& t = result.timings;
  json["timings"] = {{"load_ms", t.load_ms},
                     {"image_ms", t.image_ms},
                     {"images", t.images},
                     {"image_tokens", t.image_tokens},
                     {"audio_ms", t.audio_ms},
                     {"clips", t.clips},
                     {"audio_tokens", t.audio_tokens},
                     {"prefill_ms", t.prefill_ms},
                     {"prefill_tokens", t.prefill_tokens},
                     {"cached_tokens", t.cached_tokens},
                     {"first_text_ms", t.first_text_ms},
                     {"decode_ms", t.decode_ms},
                     {"decode_tokens", t.decode_tokens},
                     {"reread_tokens", t.reread_tokens},
                     {"guessed_tokens", t.guessed_tokens},
                     {"accepted_tokens", t.accepted_tokens}};
  for (const SizeSwitch& change : result.size_switches) {
    json["size_switches"].push_back({{"token", change.token},
                                     {"from", change.from},
                                     {"to", change.to},
                                     {"why", change.why},
                                     {"tokens_per_second", change.tokens_per_second}});
  }
  for (const TokenLogprob& token : result.logprobs) {
    nlohmann::ordered_json entry = TokenAsJson(engine, token.id, token.logprob);
    entry["likeliest"] = nlohmann::ordered_json::array();
    for (const auto& [id, logprob] : token.likeliest) {
      entry["likeliest"].push_back(TokenAsJson(engine, id, logprob));
    }
    json["logprobs"].push_back(entry);
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string StatsLine(const Timings& t) {
  std::string line;
  const auto add = [&line](const char* format, auto... values) {
    char text[160];
    std::snprintf(text, sizeof(text), format, values...);
    line += (line.empty() ? "" : " · ") + std::string(text);
  };
  const auto whole = [](int64_t number) { return static_cast<long long>(number); };
  if (t.images > 0) {
    add("%lld %s, %lld tokens in %.0f ms", whole(t.images), t.images == 1 ? "picture" : "pictures",
        whole(t.image_tokens), t.image_ms);
  }
  if (t.clips > 0) {
    add("%lld %s, %lld tokens in %.0f ms", whole(t.clips), t.clips == 1 ? "clip" : "clips",
        whole(t.audio_tokens), t.audio_ms);
  }
  add("prompt %lld tokens, %.1f tok/s", whole(t.prefill_tokens),
      PerSecond(t.prefill_tokens, t.prefill_ms));
  if (t.cached_tokens > 0) add("%lld tokens known already", whole(t.cached_tokens));
  add("answer %lld tokens, %.1f tok/s", whole(t.decode_tokens),
      PerSecond(t.decode_tokens, t.decode_ms));
  if (t.reread_tokens > 0) add("%lld tokens read again behind", whole(t.reread_tokens));
  if (t.guessed_tokens > 0) {
    add("%lld of %lld guesses held", whole(t.accepted_tokens), whole(t.guessed_tokens));
  }
  if (t.first_text_ms > 0) add("first word after %.2f s", t.first_text_ms / 1000);
  add("loaded in %.0f ms", t.load_ms);
  return line;
}

}  // namespace gemma3n::cli
