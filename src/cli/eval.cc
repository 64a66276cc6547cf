// SPDX-License-Identifier: Apache-2.0
// `gemma3n eval`: prompts with media and expected answers out of a JSONL file, answered greedily
// and counted by task.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/answer_metrics.h"
#include "cli/commands.h"
#include "cli/eval_items.h"
#include "cli/options.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

constexpr char kHelp[] = R"(Each line of FILE is an object:
  {"id": "s1", "task": "speech", "prompt": "Transcribe ...", "audio": ["s1.wav"],
   "answer": "turn on the light", "match": "exact"}
with lists "images", "audio", "videos" of paths beside FILE, an optional "system" (else --system),
and "match" one of exact (the default; white space around it does not count), contains, or wer (word
error rate: the table shows its mean and that of characters, and an item counts as right when it is 0). An item that cannot
be answered counts as wrong; the table says how many there were. --out writes each answer with its
tokens and the sum of their log-probabilities.

Examples:
  gemma3n eval -m models/nano models/nano/eval/eval.jsonl --out answers.jsonl
  gemma3n eval -m e4b.g3n --size e2b --read-size full data.jsonl     # what --keep-cache costs
)";

struct EvalArgs {
  ModelArgs model;
  OutputArgs output;
  GenerateArgs generate;
  MediaArgs media;
  std::string file, out, read_size;
  int64_t limit = 0;
  bool without_media = false;
};

struct Score {
  int64_t items = 0, right = 0;
  int64_t errors = 0;  // items that could not be answered; they count as wrong
  // Sums of the items' rates, where match is wer.
  double word_errors = 0, character_errors = 0;
  bool has_word_errors = false;
};

std::vector<Turn> TurnsOf(const Item& item, const EvalArgs& args) {
  Item chosen = item;
  if (args.without_media) chosen.images = chosen.audio = chosen.videos = {};
  if (chosen.system.empty()) chosen.system = args.generate.system;
  return TurnsOf(chosen, args.file, args.media);
}

bool Count(const Item& item, const std::string& text, Score& score) {
  const Judgement judgement = Judge(item.match, item.answer, text);
  if (judgement.word_error_rate) {
    score.word_errors += *judgement.word_error_rate;
    score.character_errors += *judgement.character_error_rate;
    score.has_word_errors = true;
  }
  ++score.items;
  score.right += judgement.right;
  return judgement.right;
}

void Add(const Score& score, Score& total) {
  total.items += score.items;
  total.right += score.right;
  total.errors += score.errors;
}

void PrintJson(const std::map<std::string, Score>& scores, bool whole) {
  nlohmann::ordered_json object;
  Score total;
  const auto describe = [](const Score& score) {
    nlohmann::ordered_json json = {{"items", score.items}, {"right", score.right}};
    if (score.errors > 0) json["errors"] = score.errors;
    if (score.has_word_errors) {
      json["wer"] = score.word_errors / static_cast<double>(score.items);
      json["cer"] = score.character_errors / static_cast<double>(score.items);
    }
    return json;
  };
  for (const auto& [task, score] : scores) {
    object[task] = describe(score);
    Add(score, total);
  }
  object["total"] = describe(total);
  if (!whole) object["interrupted"] = true;
  std::printf("%s\n",
              object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

void PrintRow(const std::string& name, const Score& score) {
  const double items = static_cast<double>(std::max<int64_t>(score.items, 1));
  std::printf("%-20s %5lld / %5lld  %5.1f %%", OneLine(name).c_str(),
              static_cast<long long>(score.right), static_cast<long long>(score.items),
              100.0 * static_cast<double>(score.right) / items);
  if (score.has_word_errors) {
    std::printf("  word errors %5.1f %%  character errors %5.1f %%",
                100 * score.word_errors / items, 100 * score.character_errors / items);
  }
  if (score.errors > 0) std::printf("  %lld not answered", static_cast<long long>(score.errors));
  std::printf("\n");
}

void PrintTable(const std::map<std::string, Score>& scores, bool whole) {
  Score total;
  for (const auto& [task, score] : scores) {
    PrintRow(task, score);
    Add(score, total);
  }
  PrintRow("total", total);
  if (!whole) std::printf("interrupted: this is a part of the items\n");
}

// Every answer as a line of JSON, written as it comes: FILE.part until all are there.
class AnswerFile {
 public:
  // No file where `path` is empty. Throws Error (kUsage) when it cannot be written.
  explicit AnswerFile(const std::string& path) : path_(path) {
    if (path_.empty()) return;
    std::error_code ignored;
    file_.open(Temporary(), std::ios::binary);
    if (!file_ || std::filesystem::is_directory(path_, ignored)) {
      throw Error(ErrorKind::kUsage, path_ + ": cannot be written");
    }
  }

  void Add(const nlohmann::ordered_json& line) {
    if (path_.empty()) return;
    file_ << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n"
          << std::flush;
    Check(!file_);
  }

  void Finish() {
    if (path_.empty()) return;
    file_.close();
    std::error_code error;
    std::filesystem::rename(Temporary(), path_, error);
    Check(static_cast<bool>(error));
  }

 private:
  std::string Temporary() const { return path_ + ".part"; }
  void Check(bool failed) const {
    if (failed) throw Error(ErrorKind::kResources, path_ + ": cannot be written");
  }

  std::string path_;
  std::ofstream file_;
};

double SumOfLogprobs(const GenerateResult& result) {
  double sum = 0;
  for (const TokenLogprob& token : result.logprobs) sum += token.logprob;
  return sum;
}

// Answers one item, counts it and says what came of it; nullopt when Ctrl-C cut it short. What goes
// wrong with one item is its own affair; a model that is bad or changed on disk ends the whole.
// `reads` are the options of another size that reads the prompt first.
std::optional<nlohmann::ordered_json> Answer(const Item& item, const EvalArgs& args,
                                             const std::optional<GenerateOptions>& reads,
                                             Session& session, Score& score) {
  const auto failed = [&](const std::string& message) {
    ++score.items;
    ++score.errors;
    return nlohmann::ordered_json{{"id", item.id}, {"error", message}, {"right", false}};
  };
  const auto on_text = [](const std::string&) { return !Interrupted(); };
  const auto on_progress = [](const Progress&) { return !Interrupted(); };
  try {
    const std::vector<Turn> turns = TurnsOf(item, args);
    if (reads) session.Generate(turns, *reads, on_text, on_progress);
    const GenerateResult result =
        session.Generate(turns, args.generate.options, on_text, on_progress);
    if (result.finish_reason == FinishReason::kCancelled) return std::nullopt;
    const bool right = Count(item, result.text, score);
    return nlohmann::ordered_json{{"id", item.id},
                                  {"text", result.text},
                                  {"right", right},
                                  {"tokens", result.logprobs.size()},
                                  {"logprob", SumOfLogprobs(result)}};
  } catch (const std::bad_alloc&) {
    return failed("not enough memory");
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kModel) throw;
    return failed(error.what());
  }
}

// Another size that reads the prompts, whose keys and values the answers then go on with.
std::optional<GenerateOptions> ReadingOptions(EvalArgs& args, const Engine& engine) {
  if (args.read_size.empty()) return std::nullopt;
  if (args.generate.options.size_change == SizeChange::kRereadBehind) {
    throw Error(ErrorKind::kUsage, "--read-size: not together with --reread-behind");
  }
  args.generate.options.size_change = SizeChange::kKeepCache;
  GenerateOptions reads = args.generate.options;
  reads.size = engine.ParseSize(args.read_size);
  reads.size_change = SizeChange::kReread;
  reads.speculation = Speculation::kOff;
  reads.draft.reset();
  reads.elastic.reset();
  reads.max_tokens = 0;
  return reads;
}

int Eval(EvalArgs& args) {
  args.generate.Finish();
  if (!args.generate.options.sampling.temperature) args.generate.options.sampling.temperature = 0;
  args.generate.options.top_logprobs = std::max(0, args.generate.options.top_logprobs);
  const std::vector<Item> items = ReadItems(args.file, args.limit);
  AnswerFile file(args.out);
  const auto engine = args.model.Load(args.output.quiet, /*for_session=*/true);
  args.generate.ReadSizes(*engine);
  const std::optional<GenerateOptions> reads = ReadingOptions(args, *engine);
  const auto session = engine->NewSession(args.model.context);
  std::map<std::string, Score> scores;
  bool whole = true;
  ProgressBar bar(!args.output.quiet);
  for (size_t i = 0; i < items.size() && whole; ++i) {
    bar.Show({"answering", static_cast<int64_t>(i), static_cast<int64_t>(items.size())});
    const auto line = Answer(items[i], args, reads, *session, scores[items[i].task]);
    whole = line.has_value();
    if (line) file.Add(*line);
  }
  bar.Clear();
  if (args.output.json) {
    PrintJson(scores, whole);
  } else {
    PrintTable(scores, whole);
  }
  if (whole) file.Finish();
  if (!whole && !args.out.empty()) Tell("the answers so far are in " + args.out + ".part");
  return whole ? 0 : 130;
}

}  // namespace

void AddEval(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("eval", "Score answers against a file of expected ones");
  auto args = std::make_shared<EvalArgs>();
  args->model.Add(*command);
  args->generate.Add(*command);
  args->media.Add(*command);
  args->output.Add(*command, /*with_stats=*/false);
  command->add_option("file", args->file, "JSONL of prompts, media and answers")->required();
  command->add_option("--out", args->out, "Write every answer here, as JSONL");
  command->add_option("--limit", args->limit, "Only the first N items; 0: all")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--read-size", args->read_size,
                      "This size reads the prompts, --size answers with what it computed "
                      "(--keep-cache)");
  command->add_flag("--without-media", args->without_media,
                    "Leave media out: what chance looks like");
  command->footer(kHelp);
  command->callback([args, &exit_code] { exit_code = Eval(*args); });
}

}  // namespace gemma3n::cli
