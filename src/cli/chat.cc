// SPDX-License-Identifier: Apache-2.0
#include "cli/chat.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "cli/answer.h"
#include "cli/paste.h"
#include "cli/snapshot.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

constexpr char kHelp[] =
    R"(/image F  /audio F  /video F   attach a picture, a sound, a film to the next message; so does
                               a line that is nothing but the path of one: drop a file here
/video F 1:05-1:20             of a film, only what lies between these times
/file F                        attach a text file
/cam [DEVICE]  /screen [:0]    attach a picture of what a camera sees; of what the screen shows
/mic [DEVICE]                  listen until a pause, or Enter; attach what was said
/set                           lists the settings; /set temp 0.7, top-k, top-p, min-p, seed,
                               repeat-penalty, max-tokens, stop TEXT, system TEXT, stats on|off,
                               history on|off, ask TEXT (goes with each utterance)
/show model|context|prompt     what the model is, how full the context is, the exact prompt
/model DIR                     go on with another model
/size [SIZE]                   go on with another size of the model, such as full, e2b,
                               ffn=8192 skip=20-24; alone: which it is
/retry [TEMP]  /undo           answer again; take the last message and answer back
/edit  /copy                   change the last message in $EDITOR; the last answer to the clipboard
/save F  /load F               the conversation's text as JSON
/export [md|json] F            the same for reading
/clear  /bye                   start anew; leave (also Ctrl-D)
"""                            begins and ends a message of several lines
Alt-Enter  Ctrl-G              another line of the message; the message in $EDITOR
                               (what is pasted or recalled shows its line ends as ␤)
Ctrl-C                         stops the answer; clears the line; twice at an empty prompt, leaves
)";

std::string FileIn(const std::string& typed) {
  const std::string path = PlainPath(typed);
  if (path.empty()) throw Error(ErrorKind::kUsage, "expected the name of a file, found none");
  return path;
}

std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// "name the rest" -> {"name", "the rest"}.
std::pair<std::string, std::string> SplitWord(const std::string& text) {
  const size_t end = std::min(text.find_first_of(" \t"), text.size());
  return {text.substr(0, end), Trimmed(text.substr(end))};
}

}  // namespace

Chat::Chat(const ModelArgs& model, const OutputArgs& output, const GenerateArgs& generate,
           const MediaArgs& media, const TalkArgs& talk)
    : model_(model),
      engine_(model.Load(output.quiet, /*for_session=*/true)),
      session_(engine_->NewSession(model.context)),
      settings_{generate.options, output, talk.ask},
      conversation_{generate.system, {}},
      media_(media),
      sound_(talk.sound),
      attached_(media.Load()),
      commands_(Commands()) {
  GenerateArgs sized = generate;
  sized.ReadSizes(*engine_);
  settings_.options = sized.options;
}

std::map<std::string, Chat::Command> Chat::Commands() {
  const Command help = [](const std::string&) { Put(kHelp); };
  return {
      {"/?", help},
      {"/help", help},
      {"/image",
       [this](const std::string& rest) {
         const std::string file = FileIn(rest);
         Attach(Part(ImageFile(file, media_.media)), file);
       }},
      {"/audio",
       [this](const std::string& rest) {
         const std::string file = FileIn(rest);
         Attach(Part(LoadAudio(file, media_.media)), file);
       }},
      {"/video",
       [this](const std::string& rest) {
         const std::string file = FileIn(rest);
         Attach(media_.LoadFilm(file), file);
       }},
      {"/file",
       [this](const std::string& rest) {
         const std::string file = FileIn(rest);
         Attach(Part(TextOrFile("@" + file)), file);
       }},
      {"/cam",
       [this](const std::string& rest) {
         Attach(Part(TakePicture(PlainPath(rest), media_.media)), "what the camera sees");
       }},
      {"/screen",
       [this](const std::string& rest) {
         Attach(Part(TakeScreen(rest, media_.media)), "what the screen shows");
       }},
      {"/mic", [this](const std::string& rest) { Record(rest); }},
      {"/set", [this](const std::string& rest) { Set(rest); }},
      {"/show", [this](const std::string& rest) { Show(rest); }},
      {"/model", [this](const std::string& rest) { ChangeModel(FileIn(rest)); }},
      {"/size", [this](const std::string& rest) { ChangeSize(rest); }},
      {"/retry", [this](const std::string& rest) { Retry(rest); }},
      {"/edit", [this](const std::string&) { Edit(); }},
      {"/copy", [this](const std::string&) { Copy(); }},
      {"/undo", [this](const std::string&) { Undo(); }},
      {"/save", [this](const std::string& rest) { Save(FileIn(rest)); }},
      {"/load",
       [this](const std::string& rest) {
         conversation_ = LoadConversation(FileIn(rest));
         left_out_ = {};
       }},
      {"/export", [this](const std::string& rest) { Export(rest); }},
      {"/clear",
       [this](const std::string&) {
         conversation_.turns.clear();
         left_out_ = {};
         attached_.clear();
       }},
  };
}

bool Chat::Take(const std::string& line) {
  const std::string text = Trimmed(line);
  if (text.empty() || AttachIfMedia(text)) return true;
  if (text[0] != '/') {
    Say(line);
    return true;
  }
  const auto [name, rest] = SplitWord(text);
  if (name == "/bye") return false;
  const auto found = commands_.find(name);
  if (found == commands_.end()) {
    throw Error(ErrorKind::kUsage, name + " is no command; /? lists them");
  }
  found->second(rest);
  return true;
}

void Chat::Say(const std::string& text) {
  SayParts({Part(text)});
}

std::vector<Part> Chat::SpokenParts(std::shared_ptr<const AudioClip> clip) const {
  Part sound("");
  sound.content = std::move(clip);
  std::vector<Part> parts = {std::move(sound)};
  if (!settings_.ask.empty()) parts.push_back(Part(settings_.ask));
  return parts;
}

void Chat::Say(std::shared_ptr<const AudioClip> utterance) {
  if (listening_) {
    // The same samples, of which the session knows what it has read.
    for (const Part& part : listening_->Conversation().back().parts) {
      const auto* clip = std::get_if<std::shared_ptr<const AudioClip>>(&part.content);
      if (clip != nullptr && (*clip)->samples == utterance->samples) utterance = *clip;
    }
  }
  SayParts(SpokenParts(std::move(utterance)));
  listening_.reset();
}

void Chat::Hear(const UtteranceEvent& event) {
  using Kind = UtteranceEvent::Kind;
  if (event.kind == Kind::kBegin || event.kind == Kind::kNone) listening_.reset();
  try {
    if (event.kind == Kind::kBegin) {
      std::vector<Turn> whole = conversation_.WithSystem();
      whole.push_back({Role::kUser, attached_});
      for (Part& part : SpokenParts(std::make_shared<AudioClip>())) {
        whole.back().parts.push_back(std::move(part));
      }
      listening_ = session_->Listen(WithoutOldest(whole, Fitting(whole)), settings_.options);
    }
    if (listening_) listening_->Push(event.samples);
  } catch (const Error&) {
    listening_.reset();  // what is wrong is told when it is to be answered
  }
}

bool Chat::ReadOn() {
  return listening_ && listening_->ReadOn();
}

void Chat::SayParts(std::vector<Part> parts) {
  const bool answered = AnswerAfter([&] {
    Turn turn{Role::kUser, attached_};
    turn.parts.insert(turn.parts.end(), parts.begin(), parts.end());
    conversation_.turns.push_back(std::move(turn));
  });
  if (answered) attached_.clear();
}

bool Chat::AnswerAfter(const std::function<void()>& change) {
  const Conversation kept = conversation_;
  const LeftOut kept_left_out = left_out_;
  const auto restore = [&] {
    conversation_ = kept;
    left_out_ = kept_left_out;
  };
  try {
    change();
    if (AnswerLast()) return true;
  } catch (...) {
    restore();
    throw;
  }
  restore();
  return false;
}

bool Chat::AnswerLast() {
  MakeRoom();
  const GenerateResult result =
      Answer(*engine_, *session_, Asked(), settings_.options, settings_.output, on_text_);
  // Behind the last text, too, Ctrl-C is meant for all of the answer.
  if (on_text_ && Interrupted()) on_text_("");
  ClearInterrupt();
  if (result.finish_reason == FinishReason::kCancelled && result.text.empty()) {
    Tell("stopped before the answer began; the message is taken back");
    return false;
  }
  conversation_.turns.push_back({Role::kModel, {Part(result.text)}});
  return true;
}

std::vector<Turn> Chat::Asked() const {
  return WithoutOldest(conversation_.WithSystem(), left_out_);
}

int64_t Chat::CountTokens(const std::vector<Turn>& turns) const {
  return static_cast<int64_t>(engine_->PromptIds(turns, settings_.options).size());
}

LeftOut Chat::Fitting(const std::vector<Turn>& whole) const {
  return FitContext(whole, RoomForPrompt(context(), settings_.options.max_tokens),
                    std::max<int64_t>(1, context() / 4), left_out_, [&](const LeftOut& left_out) {
                      return CountTokens(WithoutOldest(whole, left_out));
                    });
}

void Chat::MakeRoom() {
  const std::vector<Turn> whole = conversation_.WithSystem();
  const LeftOut fitting = Fitting(whole);
  const std::vector<Turn> left = WithoutOldest(whole, fitting);
  // Where even this is too long the answer fails, with the reason.
  if (fitting == left_out_ || CountTokens(left) >= context()) return;
  left_out_ = fitting;
  Tell(WhatIsLeftOut(whole, fitting));
}

void Chat::Attach(Part part, const std::string& path) {
  std::vector<Part> more = attached_;
  more.push_back(std::move(part));
  CheckPictures(static_cast<size_t>(
      std::count_if(more.begin(), more.end(), [](const Part& one) { return one.is_picture(); })));
  const auto count = [this](std::vector<Turn> turns, const std::vector<Part>& next) {
    turns.push_back({Role::kUser, next});
    return CountTokens(turns);
  };
  // What was said before can be left out, the message itself cannot.
  const std::vector<Turn> alone = Conversation{conversation_.system, {}}.WithSystem();
  const int64_t with = count(alone, more), tokens = with - count(alone, attached_);
  if (with >= context()) {
    throw Error(ErrorKind::kRequest,
                path + ": needs " + std::to_string(tokens) + " tokens, " +
                    std::to_string(std::max<int64_t>(0, context() - with + tokens)) +
                    " are left; /clear begins anew");
  }
  const int64_t room = context() - count(Asked(), more);
  attached_ = std::move(more);
  Tell(std::string(WhatItIs(attached_.back())) + " attached to the next message: " + path + ", " +
       std::to_string(tokens) + " tokens, " +
       (room > 0 ? std::to_string(room) + " left" : "in the place of what was said first"));
}

void Chat::WhileMute(const std::function<void()>& work) const {
  if (on_mute_) on_mute_(true);
  try {
    work();
  } catch (...) {
    if (on_mute_) on_mute_(false);
    throw;
  }
  if (on_mute_) on_mute_(false);
}

void Chat::Record(const std::string& source) {
  if (!facts().hears) throw Error(ErrorKind::kUsage, "/mic: this model does not hear");
  SoundSourceArgs sound = sound_;
  if (!source.empty()) sound.source = PlainPath(source);
  if (sound.source == "-") throw Error(ErrorKind::kUsage, "/mic: expected a microphone, found -");
  Part part("");
  WhileMute([&] {
    part.content =
        RecordUtterance(sound, {.most_s = facts().max_clip_seconds}, settings_.output.quiet);
  });
  Attach(std::move(part), "what was said");
}

bool Chat::AttachIfMedia(const std::string& line) {
  const std::string path = PlainPath(line);
  std::error_code ignored;
  if (path.empty() || !std::filesystem::is_regular_file(path, ignored)) return false;
  std::optional<Part> part = media_.LoadAny(path);
  if (part) Attach(std::move(*part), path);
  return part.has_value();
}

void Chat::ChangeSize(const std::string& text) {
  if (!text.empty()) settings_.options.size = engine_->ParseSize(text);
  const ModelSize& size = settings_.options.size ? *settings_.options.size : engine_->size();
  Tell("size: " + SizeLine(*engine_, size));
}

void Chat::ChangeModel(const std::string& name) {
  ModelArgs wanted = model_;
  wanted.model = name;
  try {
    const auto engine = wanted.Load(settings_.output.quiet, /*for_session=*/true);
    listening_.reset();
    session_ = engine->NewSession(wanted.context);
    engine_ = engine;
  } catch (const Error& error) {
    // A bad model ends a chat that uses it; this one is not used yet.
    throw Error(error.kind() == ErrorKind::kModel ? ErrorKind::kUsage : error.kind(), error.what());
  }
  model_ = wanted;
  settings_.options.size.reset();
  settings_.options.draft.reset();
  if (settings_.options.elastic) settings_.options.elastic->ladder.clear();
  const ModelFacts& facts = engine_->facts();
  size_t left_out = 0;
  const auto keep = [&](std::vector<Part>& parts) {
    left_out += std::erase_if(parts, [&](const Part& part) {
      if (std::holds_alternative<std::string>(part.content)) return false;
      const bool sound = std::holds_alternative<std::shared_ptr<const AudioClip>>(part.content);
      return sound ? !facts.hears : !facts.sees;
    });
  };
  for (Turn& turn : conversation_.turns) keep(turn.parts);
  keep(attached_);
  left_out_ = {};
  if (left_out > 0) {
    Tell("left out " + std::to_string(left_out) + (left_out == 1 ? " attachment" : " attachments") +
         ", which this model does not " + (facts.sees ? "hear" : "see"));
  }
}

void Chat::Undo() {
  if (conversation_.turns.empty()) throw Error(ErrorKind::kUsage, "/undo: nothing was said yet");
  conversation_.turns.resize(conversation_.turns.size() - 2);
  left_out_ = {};
}

void Chat::Retry(const std::string& temperature) {
  if (conversation_.turns.empty()) throw Error(ErrorKind::kUsage, "/retry: nothing was said yet");
  const struct Restore {
    GenerateOptions& options;
    const GenerateOptions kept;
    ~Restore() { options = kept; }
  } restore{settings_.options, settings_.options};
  if (!temperature.empty()) settings_.Set("temp", temperature);
  AnswerAfter([&] { conversation_.turns.pop_back(); });
}

void Chat::Edit() {
  if (conversation_.turns.empty()) throw Error(ErrorKind::kUsage, "/edit: nothing was said yet");
  Turn message = conversation_.turns[conversation_.turns.size() - 2];
  std::string text;
  WhileMute([&] { text = EditText(TextOf(message)); });
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.empty()) throw Error(ErrorKind::kUsage, "/edit: the text is empty; nothing changed");
  std::erase_if(message.parts,
                [](const Part& part) { return std::holds_alternative<std::string>(part.content); });
  message.parts.push_back(Part(text));
  AnswerAfter([&] {
    conversation_.turns.pop_back();
    conversation_.turns.back() = std::move(message);
  });
}

void Chat::Copy() const {
  if (conversation_.turns.empty()) throw Error(ErrorKind::kUsage, "/copy: nothing was said yet");
  CopyToClipboard(TextOf(conversation_.turns.back()));
}

void Chat::Set(const std::string& text) {
  const auto [name, value] = SplitWord(text);
  if (name.empty()) {
    std::fprintf(stderr, "%s\n", settings_.List().c_str());
    Tell("system " + (conversation_.system.empty() ? "(none)" : conversation_.system));
  } else if (name == "system") {
    conversation_.system = value;
  } else {
    settings_.Set(name, value);
  }
}

void Chat::Show(const std::string& what) const {
  const ModelFacts& facts = engine_->facts();
  std::vector<Turn> asked = Asked();
  if (what == "prompt") {
    if (conversation_.turns.empty()) {
      throw Error(ErrorKind::kUsage, "/show prompt: nothing was said yet");
    }
    asked.pop_back();
    const std::vector<int32_t> ids = engine_->PromptIds(asked, settings_.options);
    std::string list;
    for (int32_t id : ids) list += (list.empty() ? "" : ",") + std::to_string(id);
    Put(ShowControls(engine_->PromptText(asked, settings_.options)) + "\n" +
        std::to_string(ids.size()) + " tokens: " + list + "\n");
  } else if (what == "context") {
    const size_t used =
        conversation_.turns.empty() ? 0 : engine_->PromptIds(asked, settings_.options).size();
    Put(std::to_string(used) + " of " + std::to_string(context()) + " tokens\n");
  } else if (what == "model" || what.empty()) {
    Put(OneLine(model_.model) + ": vocabulary " + std::to_string(facts.vocab_size) + ", context " +
        std::to_string(facts.max_context) + ", pictures " + (facts.sees ? "yes" : "no") +
        ", sound " + (facts.hears ? "yes" : "no") + "\n");
  } else {
    throw Error(ErrorKind::kUsage, "/show: expected model, context or prompt, found " + what);
  }
}

void Chat::Save(const std::string& path) const {
  WriteFile(path, AsJson(conversation_));
  if (conversation_.HoldsMedia()) Tell(path + ": text alone; pictures and sound are not saved");
}

void Chat::Export(const std::string& text) const {
  const auto [word, rest] = SplitWord(text);
  const bool named = (word == "md" || word == "json") && !rest.empty();
  const std::string path = FileIn(named ? rest : text);
  const bool json = named ? word == "json" : std::filesystem::path(path).extension() == ".json";
  WriteFile(path, json ? AsJson(conversation_) : AsMarkdown(conversation_));
}

}  // namespace gemma3n::cli
