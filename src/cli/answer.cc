// SPDX-License-Identifier: Apache-2.0
#include "cli/answer.h"

#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/terminal.h"

namespace gemma3n::cli {
namespace {

double PerSecond(int64_t count, double ms) {
  return ms > 0 ? 1000.0 * static_cast<double>(count) / ms : 0;
}

void Print(const std::string& text, bool show_controls) {
  const std::string shown = show_controls ? ShowControls(text) : text;
  std::fwrite(shown.data(), 1, shown.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

GenerateResult Answer(Session& session, const std::vector<Turn>& turns,
                      const GenerateOptions& options, const OutputArgs& output) {
  const bool show_controls = IsTerminal(STDOUT_FILENO) && !output.raw_output;
  ProgressBar bar(!output.quiet);
  const GenerateResult result = session.Generate(
      turns, options,
      [&](const std::string& text) {
        bar.Clear();
        if (!output.json) Print(text, show_controls);
        return !Interrupted();
      },
      [&](const Progress& progress) {
        bar.Show(progress);
        return !Interrupted();
      });
  bar.Clear();
  if (output.json) {
    std::printf("%s\n", ResultAsJson(result).c_str());
  } else {
    std::printf("\n");
  }
  std::fflush(stdout);
  if (output.stats && !output.json) std::fprintf(stderr, "%s\n", StatsLine(result.timings).c_str());
  return result;
}

std::string ResultAsJson(const GenerateResult& result) {
  nlohmann::ordered_json json;
  json["text"] = result.text;
  json["token_ids"] = result.token_ids;
  json["prompt_token_ids"] = result.prompt_token_ids;
  json["finish_reason"] = FinishReasonName(result.finish_reason);
  const Timings& t = result.timings;
  json["timings"] = {{"load_ms", t.load_ms},
                     {"image_ms", t.image_ms},
                     {"images", t.images},
                     {"audio_ms", t.audio_ms},
                     {"clips", t.clips},
                     {"prefill_ms", t.prefill_ms},
                     {"prefill_tokens", t.prefill_tokens},
                     {"cached_tokens", t.cached_tokens},
                     {"decode_ms", t.decode_ms},
                     {"decode_tokens", t.decode_tokens}};
  for (const TokenLogprob& token : result.logprobs) {
    nlohmann::ordered_json entry = {{"id", token.id}, {"logprob", token.logprob}};
    entry["likeliest"] = nlohmann::ordered_json::array();
    for (const auto& [id, logprob] : token.likeliest) {
      entry["likeliest"].push_back({{"id", id}, {"logprob", logprob}});
    }
    json["logprobs"].push_back(entry);
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string StatsLine(const Timings& t) {
  std::string line;
  char text[160];
  if (t.images > 0) {
    std::snprintf(text, sizeof(text), "%lld pictures in %.0f ms · ",
                  static_cast<long long>(t.images), t.image_ms);
    line += text;
  }
  if (t.clips > 0) {
    std::snprintf(text, sizeof(text), "%lld clips in %.0f ms · ", static_cast<long long>(t.clips),
                  t.audio_ms);
    line += text;
  }
  std::snprintf(text, sizeof(text), "prompt %lld tokens, %.1f tok/s · ",
                static_cast<long long>(t.prefill_tokens),
                PerSecond(t.prefill_tokens, t.prefill_ms));
  line += text;
  std::snprintf(text, sizeof(text), "answer %lld tokens, %.1f tok/s · loaded in %.0f ms",
                static_cast<long long>(t.decode_tokens), PerSecond(t.decode_tokens, t.decode_ms),
                t.load_ms);
  return line + text;
}

}  // namespace gemma3n::cli
