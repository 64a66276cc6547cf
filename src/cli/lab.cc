// SPDX-License-Identifier: Apache-2.0
// `gemma3n lab`: which sizes of a model lose least on given text at a given cost.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "cli/commands.h"
#include "cli/lab_data.h"
#include "cli/lab_report.h"
#include "cli/lab_scores.h"
#include "cli/options.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

constexpr char kHelp[] =
    R"(FILES are what sizes are scored on: *.jsonl as `eval` takes them, where an item may also have
"choices", texts of which its answer is one; anything else is plain text. None: the model's own
eval/eval.jsonl where it has one, else a short built-in text.
--budget is 2.5B, 800M or 60% (effective parameters), 1.2GB (weights that a token of an answer reads)
or 20tok/s (speed here, from a fit to a few sizes that are timed). Several look for several sizes; none
looks for one at the parameters of every uniform width.
The loss is the mean negative log-likelihood of what was expected, in nats a token. A part of the data
is held out: the search does not see it.
An interrupted search goes on where it was when it is called again with the same --state or --json.

Examples:
  gemma3n lab -m e4b.g3n items.jsonl --budget 2.5B --json size.json --svg size.svg
  gemma3n run -m e4b.g3n --size size.json "Hello"
  gemma3n lab -m e4b.g3n notes.txt --metric kl --budget 1.2GB --limit 40
  gemma3n lab -m models/nano --evaluations 300
)";

struct LabArgs {
  ModelArgs model;
  OutputArgs output;
  LabDataOptions data;
  std::vector<std::string> budgets;
  std::string metric = "nll", json, svg, state, answers = "chosen";
  SearchOptions search;
  int grid = 8;
  int64_t max_tokens = 256, image_size = 0;
  double timing = 0.3;
  bool no_skip = false, restart = false;
};

// All that a run knows, in the order in which it comes to know it.
class LabRun {
 public:
  explicit LabRun(const LabArgs& args) : args_(args), bar_(!args.output.quiet) {}
  int Run();

 private:
  void SetUp();
  void AddChoices();
  void AddStarts();
  void AddBudgets();
  bool Prepare();
  std::string Key() const;
  void Search();
  std::string NameOfChosen(size_t scored) const;
  std::vector<LabRow> Rows() const;
  LabRow RowOf(const std::string& name, Mark mark, const Widths& widths) const;
  bool Measure(std::vector<LabRow>& rows);
  Plot PlotOf(const std::vector<LabRow>& rows) const;
  void Write(const std::vector<LabRow>& rows) const;
  double LossOf(const Quality& quality) const {
    return args_.metric == "kl" ? *quality.divergence : quality.loss;
  }
  std::string StateFile() const {
    return args_.state.empty() && !args_.json.empty() ? args_.json + ".scores" : args_.state;
  }

  struct Named {
    std::string name;
    Mark mark;
    Widths widths;
    std::optional<double> mmlu_percent;
  };

  const LabArgs& args_;
  ProgressBar bar_;
  LabData data_;
  std::shared_ptr<Engine> engine_;
  std::unique_ptr<Lab> lab_;
  int64_t tokens_ = 0;  // scored
  WindowOptions windows_;
  SearchOptions search_;
  std::vector<Named> starts_;
  std::vector<Budget> budgets_;
  std::unique_ptr<CostModel> cost_;
  std::unique_ptr<ScoreBook> book_;
  SearchReport report_;
};

// Of each layer the widths k/grid, as far as its file can be cut so, and those of published sizes.
void LabRun::AddChoices() {
  for (size_t layer = 0; layer < lab_->layers().size(); ++layer) {
    const LayerCuts& cuts = lab_->layers()[layer];
    std::vector<int64_t> choices = {cuts.width};
    for (int k = 1; k < args_.grid; ++k) {
      const int64_t width = cuts.width * k / args_.grid / cuts.step * cuts.step;
      if (width > 0) choices.push_back(width);
    }
    for (const PublishedSize& published : lab_->published()) {
      const int64_t width = WidthsOf(published.size, lab_->layers().size())[layer];
      if (width > 0) choices.push_back(width);
    }
    if (cuts.may_be_left_out && !args_.no_skip) choices.push_back(0);
    std::sort(choices.begin(), choices.end());
    choices.erase(std::unique(choices.begin(), choices.end()), choices.end());
    search_.choices.push_back(std::move(choices));
  }
}

void LabRun::AddStarts() {
  const size_t layers = lab_->layers().size();
  starts_.push_back({"full", Mark::kFull, WidthsOf(lab_->full(), layers), std::nullopt});
  const auto add = [&](const Named& named) {
    for (size_t layer = 0; layer < layers; ++layer) {
      const auto& choices = search_.choices[layer];
      if (!std::binary_search(choices.begin(), choices.end(), named.widths[layer])) return;
    }
    const auto same = std::find_if(starts_.begin(), starts_.end(), [&](const Named& other) {
      return other.widths == named.widths;
    });
    if (same == starts_.end()) {
      starts_.push_back(named);
    } else if (named.mmlu_percent) {
      same->mmlu_percent = named.mmlu_percent;
    }
  };
  for (const PublishedSize& published : lab_->published()) {
    add({published.size.name, Mark::kPublished, WidthsOf(published.size, layers),
         published.mmlu_percent});
  }
  for (int k = args_.grid - 1; k >= 1; --k) {
    Widths widths;
    for (const LayerCuts& cuts : lab_->layers()) {
      widths.push_back(std::max(cuts.step, cuts.width * k / args_.grid / cuts.step * cuts.step));
    }
    const bool one = std::equal(widths.begin() + 1, widths.end(), widths.begin());
    add({one ? "uniform " + std::to_string(widths[0])
             : "uniform " + std::to_string(k) + "/" + std::to_string(args_.grid),
         Mark::kUniform, widths, std::nullopt});
  }
  for (const Named& start : starts_) search_.starts.push_back(start.widths);
}

void LabRun::AddBudgets() {
  const int64_t full = engine_->FactsOf(lab_->full()).effective_parameters;
  for (const std::string& text : args_.budgets) {
    budgets_.push_back(ParseBudget(text, full));
    if (budgets_.back().kind != budgets_[0].kind) {
      throw Error(ErrorKind::kUsage, "--budget: expected budgets of one kind, found '" +
                                         budgets_[0].text + "' and '" + text + "'");
    }
  }
  cost_ = std::make_unique<CostModel>(budgets_.empty() ? CostKind::kParameters : budgets_[0].kind,
                                      *engine_);
  if (!budgets_.empty()) return;
  for (auto start = starts_.rbegin(); start != starts_.rend(); ++start) {  // the smallest first
    if (start->mark == Mark::kPublished) continue;
    const double cost = cost_->Of(start->widths);
    budgets_.push_back({CostKind::kParameters, cost, CostAsText(CostKind::kParameters, cost)});
  }
}

void LabRun::SetUp() {
  for (const std::string& path : {args_.json, args_.svg, StateFile()}) {
    if (!path.empty()) CheckWritable(path);
  }
  LabDataOptions wanted = args_.data;
  wanted.model = args_.model.model;
  data_ = ReadLabData(wanted);
  engine_ = args_.model.Load(args_.output.quiet);
  lab_ = engine_->NewLab();
  windows_.image_size = args_.image_size;
  windows_.window = std::min(windows_.window, engine_->facts().max_context);
  windows_.stride = std::max<int64_t>(1, windows_.window / 2);
  search_ = args_.search;
  AddChoices();
  AddStarts();
  AddBudgets();
}

// Of what the scores are. The model's files are told by their sizes and times.
std::string LabRun::Key() const {
  std::string of = std::to_string(data_.hash) + " " + std::to_string(windows_.image_size) + " " +
                   std::to_string(windows_.window) + " " +
                   std::to_string(static_cast<int>(args_.model.kv)) +
                   (lab_->has_divergence() ? " kl" : "");
  std::vector<std::filesystem::path> files = {args_.model.model};
  if (!args_.model.projector.empty()) files.emplace_back(args_.model.projector);
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(args_.model.model, ignored)) {
    if (entry.is_regular_file(ignored)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& file : files) {
    if (std::filesystem::is_directory(file, ignored)) continue;
    of +=
        " " + file.filename().string() + " " +
        std::to_string(std::filesystem::file_size(file, ignored)) + " " +
        std::to_string(std::filesystem::last_write_time(file, ignored).time_since_epoch().count());
  }
  char text[32];
  std::snprintf(text, sizeof(text), "%016llx",
                static_cast<unsigned long long>(HashOf(of, LabData{}.hash)));
  return text;
}

// False: cancelled.
bool LabRun::Prepare() {
  if (cost_->kind() == CostKind::kSeconds &&
      !cost_->Time(*lab_, std::max(args_.timing, 0.05), bar_.Callback())) {
    return false;
  }
  ReadOptions read{.windows = windows_};
  constexpr int64_t kCheap = 256 << 20;
  read.most_reference_bytes = args_.metric == "kl" ? int64_t{1} << 62 : kCheap;
  if (!lab_->Read(PassagesOf(data_), read, bar_.Callback())) return false;
  tokens_ = lab_->tokens();
  book_ = std::make_unique<ScoreBook>(StateFile(), Key(), args_.restart);
  if (book_->size() > 0 && !args_.output.quiet) {
    bar_.Clear();
    Tell("note: " + std::to_string(book_->size()) + " sizes are scored already in " + StateFile());
  }
  return true;
}

void LabRun::Search() {
  const size_t first = search_.starts.size() + search_.choices.size();
  if (search_.evaluations <= static_cast<int64_t>(first) && !args_.output.quiet) {
    Tell("note: a search begins with " + std::to_string(first) + " sizes or more; --evaluations " +
         std::to_string(search_.evaluations) + " leaves nothing for the rest of it");
  }
  for (const Budget& budget : budgets_) search_.budgets.push_back(budget.most);
  std::string status;
  const auto told = [&](const SearchStatus& now) {
    char best[64] = "";
    if (now.best != nullptr) std::snprintf(best, sizeof(best), ", best %.5f", now.best->loss);
    status = now.what + ": " + std::to_string(now.scored) + " of " + std::to_string(now.most) +
             " sizes" + best +
             (now.best == nullptr ? "" : " at " + CostAsText(cost_->kind(), now.best->cost));
  };
  const auto progress = [&](const Progress& now) {
    bar_.Show({status, now.done, now.total});
    return !Interrupted();
  };
  const Landscape landscape{
      [&](const Widths& widths) { return cost_->Of(widths); },
      [&](std::span<const Widths> sizes) -> std::optional<std::vector<double>> {
        if (Interrupted()) return std::nullopt;
        const auto qualities = book_->Score(*lab_, data_, sizes, progress);
        if (!qualities) return std::nullopt;
        std::vector<double> losses;
        for (const Quality& quality : *qualities) losses.push_back(LossOf(quality));
        return losses;
      }};
  report_ = SearchSizes(search_, landscape, told);
  bar_.Clear();
}

LabRow LabRun::RowOf(const std::string& name, Mark mark, const Widths& widths) const {
  const ModelSize size = SizeOf(widths, name);
  const int64_t most = engine_->facts().max_context;
  constexpr int64_t kUsualContext = 4096;
  const int64_t context =
      args_.model.context > 0 ? args_.model.context : std::min(most, kUsualContext);
  return {.name = name,
          .mark = mark,
          .widths = widths,
          .cost = cost_->Of(widths),
          .facts = engine_->FactsOf(size),
          .memory_bytes = lab_->MemoryFor(size, context),
          .quality = book_->Of(widths)};
}

// "for 1.2 M", "for 60%, 80%", "for 1.2 M to 2.7 M", and what it is where it is known.
std::string LabRun::NameOfChosen(size_t scored) const {
  std::vector<std::string> texts;
  for (size_t i = 0; i < budgets_.size(); ++i) {
    if (report_.best[i] == scored) texts.push_back(budgets_[i].text);
  }
  std::string name = "for " + texts.front();
  if (texts.size() == 2) name += ", " + texts.back();
  if (texts.size() > 2) name += " to " + texts.back();
  const auto start = std::find_if(starts_.begin(), starts_.end(), [&](const Named& named) {
    return named.widths == report_.scored[scored].widths;
  });
  return start == starts_.end() ? name : name + " (" + start->name + ")";
}

// By falling cost; where one is as large, what was chosen first.
std::vector<LabRow> LabRun::Rows() const {
  std::vector<LabRow> rows;
  std::set<size_t> chosen;
  for (const std::optional<size_t>& best : report_.best) {
    if (!best || !chosen.insert(*best).second) continue;
    rows.push_back(RowOf(NameOfChosen(*best), Mark::kChosen, report_.scored[*best].widths));
  }
  for (const Named& start : starts_) {
    if (!book_->Knows(start.widths)) continue;
    rows.push_back(RowOf(start.name, start.mark, start.widths));
    rows.back().mmlu_percent = start.mmlu_percent;
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const LabRow& a, const LabRow& b) { return a.cost > b.cost; });
  return rows;
}

// What is too slow to be done for all that is tried. False: cancelled.
bool LabRun::Measure(std::vector<LabRow>& rows) {
  std::vector<ModelSize> sizes;
  std::vector<size_t> answering;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (args_.timing > 0) {
      rows[i].speed = lab_->Time(SizeOf(rows[i].widths, rows[i].name), {.seconds = args_.timing},
                                 bar_.Callback());
      if (!rows[i].speed) return false;
    }
    const bool marked = rows[i].mark == Mark::kChosen || rows[i].mark == Mark::kFull;
    if (data_.items.empty() || !(args_.answers == "all" || (args_.answers == "chosen" && marked))) {
      continue;
    }
    answering.push_back(i);
    sizes.push_back(SizeOf(rows[i].widths, rows[i].name));
  }
  std::vector<Answers> answers(sizes.size());
  const AnswerOptions options{args_.model.context, args_.max_tokens, windows_.image_size};
  if (!AnswerItems(*engine_, data_, options, sizes, answers, bar_.Callback()) ||
      !ChooseAnswers(*lab_, data_, windows_, sizes, answers, bar_.Callback())) {
    return false;
  }
  for (size_t i = 0; i < answering.size(); ++i) rows[answering[i]].answers = answers[i];
  return true;
}

Plot LabRun::PlotOf(const std::vector<LabRow>& rows) const {
  Plot plot{
      .title = OneLine(std::filesystem::weakly_canonical(args_.model.model).filename().string()) +
               ", sizes scored on " + OneLine(data_.name),
      .loss_name = args_.metric == "kl" ? "divergence from the full model, nats a token"
                                        : "negative log-likelihood, nats a token",
      .kind = cost_->kind()};
  for (const ScoredSize& size : report_.scored) {
    const bool has_row = std::any_of(rows.begin(), rows.end(),
                                     [&](const LabRow& row) { return row.widths == size.widths; });
    if (!has_row) plot.points.push_back({size.cost, size.loss, Mark::kTried, ""});
  }
  for (const LabRow& row : rows) {
    plot.points.push_back({row.cost, LossOf(row.quality), row.mark, row.name});
  }
  return plot;
}

void LabRun::Write(const std::vector<LabRow>& rows) const {
  if (!args_.svg.empty()) WriteWhole(args_.svg, PlotAsSvg(PlotOf(rows)));
  if (args_.json.empty()) return;
  nlohmann::ordered_json json = {{"format", "gemma3n lab 1"}, {"model", args_.model.model},
                                 {"data", data_.name},        {"metric", args_.metric},
                                 {"tokens", tokens_},         {"seed", search_.seed}};
  // The chosen one of the largest budget.
  const auto chosen = std::find_if(rows.begin(), rows.end(),
                                   [](const LabRow& row) { return row.mark == Mark::kChosen; });
  if (chosen != rows.end()) json["size"] = RowAsJson(*chosen, *lab_)["size"];
  static const std::map<Mark, std::string> kNames = {{Mark::kFull, "full"},
                                                     {Mark::kUniform, "uniform"},
                                                     {Mark::kPublished, "published"},
                                                     {Mark::kChosen, "chosen"}};
  for (const LabRow& row : rows) {
    json["sizes"].push_back(RowAsJson(row, *lab_));
    json["sizes"].back()["kind"] = kNames.at(row.mark);
    json["sizes"].back()["cost"] = row.cost;
  }
  for (size_t i : ParetoFront(report_.scored)) {
    const ScoredSize& size = report_.scored[i];
    json["front"].push_back(
        {{"size", nlohmann::ordered_json::parse(lab_->AsJson(SizeOf(size.widths, "front")))},
         {"cost", size.cost},
         {"loss", size.loss}});
  }
  json["layers"] = LayersAsJson(report_.scored);
  WriteWhole(args_.json, json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

int LabRun::Run() {
  SetUp();
  if (!Prepare()) return 130;
  Search();
  if (report_.scored.empty()) return 130;
  std::vector<LabRow> rows = Rows();
  const std::string plot = PlotAsText(PlotOf(rows), 80, 24);
  const bool whole = report_.whole && Measure(rows);
  bar_.Clear();
  Put(std::to_string(report_.scored.size()) + " sizes scored on " + std::to_string(tokens_) +
      " tokens of " + OneLine(data_.name) +
      (data_.has_held_out() ? ", a part of them held out" : "") + "\n\n" +
      TableOf(rows, args_.metric == "kl") + "\n" + plot);
  for (const LabRow& row : rows) {
    if (row.mark == Mark::kChosen) {
      Put("\n" + OneLine(row.name) + ":\n  --size '" + WidthsAsText(row.widths) + "'\n");
    }
  }
  for (size_t i = 0; i < budgets_.size(); ++i) {
    if (!report_.best[i]) Put("\nfor " + OneLine(budgets_[i].text) + ": no size is so small\n");
  }
  if (report_.whole) Write(rows);
  if (whole) return 0;
  Put("\ninterrupted: this is what was complete\n");
  if (!StateFile().empty()) Tell("the same command goes on with what is in " + StateFile());
  return 130;
}

}  // namespace

void AddLab(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("lab", "Search for the sizes of a model that do best on your data");
  auto args = std::make_shared<LabArgs>();
  args->model.Add(*command, /*with_size=*/false);
  command->add_option("files", args->data.files, "JSONL of prompts, media and answers, or texts");
  command->add_option("--budget", args->budgets, "2.5B, 800M, 60%, 1.2GB or 20tok/s")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--metric", args->metric, "What is made small: nll, or kl from the full model")
      ->check(CLI::IsMember({"nll", "kl"}))
      ->capture_default_str();
  command->add_option("--evaluations", args->search.evaluations, "Sizes scored at most")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--grid", args->grid, "Widths tried of a layer: so many parts of its own")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_flag("--no-skip", args->no_skip, "Leave no layers out");
  command->add_option("--seed", args->search.seed, "Of the moves at random")
      ->check(SeedNumber())
      ->capture_default_str();
  command
      ->add_option("--limit", args->data.limit, "Items or pieces of text, spread over all; 0: all")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--held-out", args->data.held_out, "Share of them that the search does not see")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str();
  command
      ->add_option("--image-size", args->image_size,
                   "Side pictures are stretched to; 0: the model's default")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--answers", args->answers,
                   "Sizes that also answer the items: none, chosen, all")
      ->check(CLI::IsMember({"none", "chosen", "all"}))
      ->capture_default_str();
  command->add_option("--max-tokens", args->max_tokens, "Of such an answer")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--timing", args->timing, "Seconds to time a size for; 0: none is timed")
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str();
  command->add_option("--out,--json", args->json, "Write the sizes here, for --size");
  command->add_option("--svg", args->svg, "Write a picture of quality against cost here");
  command->add_option("--state", args->state, "Keep scores here; else beside --json");
  command->add_flag("--restart", args->restart, "Forget the scores that are kept");
  args->output.AddEverywhere(*command);
  command->footer(kHelp);
  command->callback([args, &exit_code] { exit_code = LabRun(*args).Run(); });
}

}  // namespace gemma3n::cli
