// SPDX-License-Identifier: Apache-2.0
// What makes a chat a talk: utterances in the place of lines, and answers that are spoken and can
// be interrupted.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/ears.h"
#include "cli/line_editor.h"
#include "cli/live_line.h"
#include "cli/speaker.h"
#include "cli/spoken_text.h"
#include "gemma3n/utterance.h"

namespace gemma3n::cli {

struct TalkArgs {
  bool hears = false, speaks = false, no_interrupt = false;
  SoundSourceArgs sound;
  std::string ask;  // goes with each utterance
  std::string voice, speak_with;
  UtteranceOptions utterance;
};

class Talk {
 public:
  // Throws Error for a microphone that cannot be opened and programs that are not installed.
  Talk(const TalkArgs& args, bool quiet);

  enum class Event {
    kUtterance,    // somebody has said something: TakeUtterance
    kKey,          // somebody types
    kInterrupted,  // Ctrl-C
    kEnded,        // there is nothing to be heard any more
  };
  // Waits until one of them. `editor`: where lines come from, if they do. Throws Error (kMedia),
  // once, when the microphone has gone away.
  Event Listen(LineEditor* editor);
  // Told of an utterance while it is being said, but not of one that began beside an answer; in its
  // pauses `read_on` is called for as long as nothing else happens and it returns true.
  void OnHeard(std::function<void(const UtteranceEvent&)> heard, std::function<bool()> read_on) {
    on_heard_ = std::move(heard);
    read_on_ = std::move(read_on);
  }
  // Nothing is heard, until HearAgain, and what was being said is dropped: somebody types, or a
  // command listens itself.
  void Mute();
  void HearAgain();
  // Whether there may be something to be heard still: until Listen has told that it has ended.
  bool hears() const { return hears_; }
  // The model is another: utterances are as long as it hears; 0: it does not, which is told. Throws
  // Error (kUsage), and hears no more, where that is too short.
  void Fit(double most_s);
  std::shared_ptr<const AudioClip> TakeUtterance();

  // A piece of an answer. False when it is to end: somebody has begun to speak. Throws nothing.
  bool OnText(const std::string& text);
  // The answer has ended: waits until it is spoken, or interrupted by Ctrl-C, a key or a voice.
  // Throws Error (kResources) where it could not be spoken.
  void FinishAnswer(LineEditor* editor);

 private:
  // What there is to tell by now; waits for something to happen where there is nothing.
  std::optional<Event> Next(LineEditor* editor);
  // Takes in what was heard meanwhile; on a line with its level, where that is to be shown.
  void Hear(bool show);
  void Take(std::vector<UtteranceEvent> events, bool show);
  bool SpokenTo() const;
  // Hands the sentences that wait to the voice, unless it may not begin yet.
  void Speak();
  void SpeakRest(bool keys);
  void Silence();

  TalkArgs args_;
  const bool quiet_;
  std::unique_ptr<Utterances> utterances_;
  std::unique_ptr<Ears> ears_;  // null once the sound has ended, perhaps before that is told
  bool hears_ = false;
  std::optional<Error> broke_off_;  // why it ended, to be told when what was said is answered
  std::deque<std::shared_ptr<const AudioClip>> clips_;
  std::function<void(const UtteranceEvent&)> on_heard_;
  std::function<bool()> read_on_;
  bool pausing_ = false;  // an utterance may have ended, and there is more to read
  LiveLine line_;

  std::optional<Speaker> speaker_;
  SpokenText spoken_;
  std::vector<std::string> sentences_;  // that wait to be spoken
  // Of the answer under way: it has begun to be spoken, somebody has silenced it, it cannot be
  // spoken.
  bool speaking_ = false, silenced_ = false;
  std::optional<Error> speaking_failure_;
};

// One utterance, until a pause or, on a terminal, the Enter key. Throws Error (kUsage) when there
// is none, or Ctrl-C came first, and what Ears throw.
std::shared_ptr<const AudioClip> RecordUtterance(const SoundSourceArgs& sound,
                                                 const UtteranceOptions& options, bool quiet);

}  // namespace gemma3n::cli
