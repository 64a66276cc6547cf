// SPDX-License-Identifier: Apache-2.0
#include "cli/chat_loop.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/answer.h"
#include "cli/commands.h"
#include "cli/line_editor.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

constexpr char kHelp[] =
    R"(/image F  /audio F  /video F   attach a picture, a sound, a film to the next message
/file F                        attach a text file
/set                           settings; /set temp 0.7, top-k, top-p, seed, max-tokens, system TEXT, stats on|off
/show model|context|prompt     what the model is, how full the context is, the exact prompt
/retry [TEMP]  /undo           answer again; take the last message and answer back
/save F  /load F  /export F    the conversation's text as JSON; as Markdown
/clear  /bye                   start anew; leave (also Ctrl-D)
"""                            begins and ends a message of several lines
Ctrl-C                         stops the answer; at an empty prompt, leaves
)";

// A conversation with its settings, and what each command does with it.
class Chat {
 public:
  Chat(std::shared_ptr<Engine> engine, const ModelArgs& model, const OutputArgs& output,
       const GenerateArgs& generate, const MediaArgs& media)
      : engine_(std::move(engine)),
        session_(engine_->NewSession(model.context)),
        output_(output),
        options_(generate.options),
        system_(generate.system),
        media_(media),
        attached_(media.Load()) {}

  // One line; false when the chat is over.
  bool Take(const std::string& line) {
    if (line.empty()) return true;
    if (line[0] != '/') {
      Say(line);
      return true;
    }
    std::istringstream words(line);
    std::string name, rest;
    words >> name;
    std::getline(words >> std::ws, rest);
    if (name == "/bye") return false;
    const auto found = commands_.find(name);
    if (found == commands_.end()) {
      std::fprintf(stderr, "%s is no command; /? lists them\n", name.c_str());
    } else {
      found->second(rest);
    }
    return true;
  }

 private:
  void Say(const std::string& text) {
    Turn turn{Role::kUser, attached_};
    turn.parts.push_back(Part(text));
    turns_.push_back(std::move(turn));
    AnswerLast();
  }

  std::vector<Turn> Whole() const {
    std::vector<Turn> whole;
    if (!system_.empty()) whole.push_back({Role::kSystem, {Part(system_)}});
    whole.insert(whole.end(), turns_.begin(), turns_.end());
    return whole;
  }

  // What cannot be answered leaves the conversation as it was.
  void AnswerLast() {
    ClearInterrupt();
    try {
      const GenerateResult result = Answer(*session_, Whole(), options_, output_);
      turns_.push_back({Role::kModel, {Part(result.text)}});
      attached_.clear();
    } catch (...) {
      turns_.pop_back();
      throw;
    }
    ClearInterrupt();
  }

  void Attach(Part part, const std::string& path, const char* what) {
    attached_.push_back(std::move(part));
    std::fprintf(stderr, "%s attached to the next message: %s\n", what, path.c_str());
  }

  void AttachFile(const std::string& path) {
    if (!std::filesystem::is_regular_file(path)) {
      throw Error(ErrorKind::kUsage, path + ": no such file");
    }
    Attach(Part(TextOrFile("@" + path)), path, "text");
  }

  void DropLastExchange() {
    if (!turns_.empty() && turns_.back().role == Role::kModel) turns_.pop_back();
    if (!turns_.empty()) turns_.pop_back();
  }

  void Retry(const std::string& temperature) {
    if (turns_.empty()) throw Error(ErrorKind::kUsage, "/retry: nothing was said yet");
    const GenerateOptions kept = options_;
    if (!temperature.empty()) Set("temp " + temperature);
    if (turns_.back().role == Role::kModel) turns_.pop_back();
    AnswerLast();
    options_ = kept;
  }

  void ListSettings() const {
    const auto number = [](const auto& value) {
      std::ostringstream text;
      if (value) {
        text << *value;
      } else {
        text << "the model's";
      }
      return text.str();
    };
    std::fprintf(stderr,
                 "temp %s  top-k %s  top-p %s  seed %s  max-tokens %lld  stats %s\nsystem %s\n",
                 number(options_.sampling.temperature).c_str(),
                 number(options_.sampling.top_k).c_str(), number(options_.sampling.top_p).c_str(),
                 options_.sampling.seed ? number(options_.sampling.seed).c_str() : "random",
                 static_cast<long long>(options_.max_tokens), output_.stats ? "on" : "off",
                 system_.empty() ? "(none)" : system_.c_str());
  }

  void Set(const std::string& text) {
    std::istringstream words(text);
    std::string name, value;
    words >> name;
    std::getline(words >> std::ws, value);
    const auto number = [&](double least, double most) {
      char* end = nullptr;
      const double parsed = std::strtod(value.c_str(), &end);
      if (value.empty() || *end != '\0' || !(parsed >= least && parsed <= most)) {
        throw Error(ErrorKind::kUsage,
                    "/set " + name + ": expected a number in range, found '" + value + "'");
      }
      return parsed;
    };
    if (name.empty()) return ListSettings();
    if (name == "temp")
      options_.sampling.temperature = number(0, 100);
    else if (name == "top-k")
      options_.sampling.top_k = static_cast<int64_t>(number(0, 1e9));
    else if (name == "top-p")
      options_.sampling.top_p = number(1e-9, 1);
    else if (name == "seed")
      options_.sampling.seed = static_cast<uint64_t>(number(0, 1e15));
    else if (name == "max-tokens")
      options_.max_tokens = static_cast<int64_t>(number(0, 1e9));
    else if (name == "system")
      system_ = value;
    else if (name == "stats")
      output_.stats = value != "off";
    else
      throw Error(ErrorKind::kUsage, "/set " + name + ": no such setting; /set alone lists them");
  }

  void Show(const std::string& what) {
    const ModelFacts& facts = engine_->facts();
    if (what == "prompt") {
      if (turns_.empty()) throw Error(ErrorKind::kUsage, "/show prompt: nothing was said yet");
      std::vector<Turn> asked = Whole();
      if (asked.back().role == Role::kModel) asked.pop_back();
      const std::vector<int32_t> ids = engine_->PromptIds(asked, options_);
      std::printf("%s\n%zu tokens\n", ShowControls(engine_->PromptText(asked, options_)).c_str(),
                  ids.size());
    } else if (what == "context") {
      std::printf("%lld of %lld tokens\n", static_cast<long long>(session_->position()),
                  static_cast<long long>(session_->context()));
    } else {
      std::printf("vocabulary %lld, context %lld, pictures %s, sound %s\n",
                  static_cast<long long>(facts.vocab_size),
                  static_cast<long long>(facts.max_context), facts.sees ? "yes" : "no",
                  facts.hears ? "yes" : "no");
    }
  }

  static std::string TextOf(const Turn& turn) {
    std::string text;
    for (const Part& part : turn.parts) {
      if (const auto* words = std::get_if<std::string>(&part.content)) text += *words;
    }
    return text;
  }

  void Write(const std::string& path, const std::string& text) const {
    const std::string temporary = path + ".part";
    std::ofstream file(temporary, std::ios::binary);
    file << text;
    file.close();
    if (!file) throw Error(ErrorKind::kResources, path + ": cannot be written");
    std::filesystem::rename(temporary, path);
  }

  void Save(const std::string& path) const {
    nlohmann::ordered_json json = {{"system", system_}, {"turns", nlohmann::ordered_json::array()}};
    for (const Turn& turn : turns_) {
      json["turns"].push_back(
          {{"role", turn.role == Role::kUser ? "user" : "model"}, {"text", TextOf(turn)}});
    }
    Write(path, json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }

  void Load(const std::string& path) {
    std::vector<Turn> turns;
    std::string system;
    try {
      const auto json = nlohmann::json::parse(TextOrFile("@" + path));
      system = json.at("system").get<std::string>();
      for (const auto& turn : json.at("turns")) {
        const Role role = turn.at("role") == "user" ? Role::kUser : Role::kModel;
        turns.push_back({role, {Part(turn.at("text").get<std::string>())}});
      }
    } catch (const nlohmann::json::exception&) {
      throw Error(ErrorKind::kUsage, path + ": is not a conversation that /save wrote");
    }
    turns_ = std::move(turns);
    system_ = system;
  }

  void Export(const std::string& path) const {
    std::string text;
    for (const Turn& turn : turns_) {
      text += (turn.role == Role::kUser ? "**You**\n\n" : "**Model**\n\n") + TextOf(turn) + "\n\n";
    }
    Write(path, text);
  }

  std::shared_ptr<Engine> engine_;
  std::unique_ptr<Session> session_;
  OutputArgs output_;
  GenerateOptions options_;
  std::string system_;
  MediaArgs media_;
  std::vector<Turn> turns_;
  std::vector<Part> attached_;

  const std::map<std::string, std::function<void(const std::string&)>> commands_ = {
      {"/?", [](const std::string&) { std::fputs(kHelp, stdout); }},
      {"/help", [](const std::string&) { std::fputs(kHelp, stdout); }},
      {"/image",
       [this](const std::string& f) { Attach(Part(LoadImage(f, media_.media)), f, "picture"); }},
      {"/audio",
       [this](const std::string& f) { Attach(Part(LoadAudio(f, media_.media)), f, "sound"); }},
      {"/video",
       [this](const std::string& f) {
         Attach(Part(LoadVideo(f, media_.video, media_.media)), f, "film");
       }},
      {"/file", [this](const std::string& f) { AttachFile(f); }},
      {"/set", [this](const std::string& rest) { Set(rest); }},
      {"/show", [this](const std::string& rest) { Show(rest); }},
      {"/retry", [this](const std::string& rest) { Retry(rest); }},
      {"/undo", [this](const std::string&) { DropLastExchange(); }},
      {"/save", [this](const std::string& f) { Save(f); }},
      {"/load", [this](const std::string& f) { Load(f); }},
      {"/export", [this](const std::string& f) { Export(f); }},
      {"/clear",
       [this](const std::string&) {
         turns_.clear();
         attached_.clear();
       }},
  };
};

// The rest of a message that began with three quotes.
std::string ReadBlock(LineEditor& editor, std::string text) {
  constexpr char kQuotes[] = "\"\"\"";
  text.erase(0, 3);
  while (text.find(kQuotes) == std::string::npos) {
    const std::optional<std::string> line = editor.Read("... ");
    if (!line) return text;
    text += (text.empty() ? "" : "\n") + *line;
  }
  return text.substr(0, text.find(kQuotes));
}

std::string HistoryFile() {
  const char* home = std::getenv("HOME");
  return home == nullptr ? "" : std::string(home) + "/.gemma3n_history";
}

}  // namespace

int ChatLoop(const ModelArgs& model, const OutputArgs& output, const GenerateArgs& generate,
             const MediaArgs& media) {
  Chat chat(model.Load(output.quiet), model, output, generate, media);
  LineEditor editor(HistoryFile());
  if (!output.quiet) std::fprintf(stderr, "Send a message, or /? for help\n");
  for (;;) {
    std::optional<std::string> line = editor.Read(">>> ");
    if (Interrupted() && (!line || line->empty())) return 0;
    ClearInterrupt();
    if (!line) return 0;
    if (line->rfind("\"\"\"", 0) == 0) line = ReadBlock(editor, *line);
    try {
      if (!chat.Take(*line)) return 0;
    } catch (const Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
  }
}

void AddChat(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("chat", "Talk with the model, turn by turn");
  struct Args {
    ModelArgs model;
    OutputArgs output;
    GenerateArgs generate;
    MediaArgs media;
  };
  auto args = std::make_shared<Args>();
  args->model.Add(*command);
  args->generate.Add(*command);
  args->media.Add(*command);
  args->output.Add(*command);
  command->footer(
      "Examples:\n  gemma3n chat -m DIR --system @pirate.txt\n"
      "  printf 'Hello\\n/bye\\n' | gemma3n chat -m DIR --quiet\n");
  command->callback([args, &exit_code] {
    args->generate.Finish();
    exit_code = ChatLoop(args->model, args->output, args->generate, args->media);
  });
}

}  // namespace gemma3n::cli
