// SPDX-License-Identifier: Apache-2.0
// A conversation under way: messages, what is attached to the next one, and the commands that
// change either.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/chat_settings.h"
#include "cli/conversation.h"
#include "cli/options.h"
#include "cli/talk.h"
#include "gemma3n/fit_context.h"
#include "gemma3n/listening.h"
#include "gemma3n/utterance.h"

namespace gemma3n::cli {

class Chat {
 public:
  // `talk`: of it, what is asked with utterances and where `/mic` listens.
  Chat(const ModelArgs& model, const OutputArgs& output, const GenerateArgs& generate,
       const MediaArgs& media, const TalkArgs& talk);

  // One line: a command, the path of a file to attach, or a message. False when the chat is over.
  // Throws Error, and leaves the conversation as it was, for what cannot be done.
  bool Take(const std::string& line);
  // A message, whatever it looks like.
  void Say(const std::string& text);
  // A message that was spoken; the text of `/set ask` goes with it.
  void Say(std::shared_ptr<const AudioClip> utterance);
  // What is heard of such a message while it is being said: it is read at once, so that the answer
  // comes soon after its end. ReadOn reads on in a pause; false where there is nothing to read.
  void Hear(const UtteranceEvent& event);
  bool ReadOn();
  // Gets the text of all answers to come.
  void OnText(TextCallback on_text) { on_text_ = std::move(on_text); }
  // Told true when a command listens itself or runs the typist's editor, so that nobody else is to
  // listen, and false when that is over.
  void OnMute(std::function<void(bool)> on_mute) { on_mute_ = std::move(on_mute); }

  const ChatSettings& settings() const { return settings_; }
  const ModelFacts& facts() const { return engine_->facts(); }
  int64_t context() const { return session_->context(); }

 private:
  using Command = std::function<void(const std::string&)>;
  std::map<std::string, Command> Commands();

  void SayParts(std::vector<Part> parts);
  // Answers the last message; false when Ctrl-C left nothing to keep.
  bool AnswerLast();
  // Answers the conversation as `change` leaves it; without an answer, undoes the change and
  // returns false.
  bool AnswerAfter(const std::function<void()>& change);
  void WhileMute(const std::function<void()>& work) const;
  void Attach(Part part, const std::string& path);
  void Record(const std::string& source);
  bool AttachIfMedia(const std::string& line);
  std::vector<Part> SpokenParts(std::shared_ptr<const AudioClip> clip) const;
  // What the model is given: without what does not fit any more.
  std::vector<Turn> Asked() const;
  // What is to be left out of a whole conversation.
  LeftOut Fitting(const std::vector<Turn>& whole) const;
  // Leaves out what must be, and says so.
  void MakeRoom();
  int64_t CountTokens(const std::vector<Turn>& turns) const;

  // Goes on with another model, which gets what it can see and hear.
  void ChangeModel(const std::string& name);
  // The size of the answers to come; empty: says which it is.
  void ChangeSize(const std::string& text);
  void Retry(const std::string& temperature);
  void Edit();
  void Undo();
  void Copy() const;
  void Set(const std::string& text);
  void Show(const std::string& what) const;
  void Save(const std::string& path) const;
  void Export(const std::string& text) const;

  ModelArgs model_;
  std::shared_ptr<Engine> engine_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Listening> listening_;  // to the message under way, by the session
  ChatSettings settings_;
  Conversation conversation_;
  LeftOut left_out_;  // of it, since the context is full
  MediaArgs media_;
  SoundSourceArgs sound_;
  TextCallback on_text_;
  std::function<void(bool)> on_mute_;
  std::vector<Part> attached_;
  std::map<std::string, Command> commands_;
};

}  // namespace gemma3n::cli
