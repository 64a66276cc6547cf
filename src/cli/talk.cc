// SPDX-License-Identifier: Apache-2.0
#include "cli/talk.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "cli/terminal.h"

namespace gemma3n::cli {
namespace {

using Kind = UtteranceEvent::Kind;

constexpr int kGlanceMs = 20;  // at programs that speak, which have no descriptor to wait for

// While it lives, a key on the terminal shows at once, not only with Enter, and is not echoed.
class KeyWatch {
 public:
  KeyWatch() : watches_(tcgetattr(STDIN_FILENO, &kept_) == 0) {
    if (!watches_) return;
    termios at_once = kept_;
    at_once.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    at_once.c_cc[VMIN] = 1;
    at_once.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &at_once);
  }
  ~KeyWatch() {
    if (watches_) tcsetattr(STDIN_FILENO, TCSANOW, &kept_);
  }
  KeyWatch(const KeyWatch&) = delete;
  KeyWatch& operator=(const KeyWatch&) = delete;

 private:
  termios kept_{};
  const bool watches_;
};

struct Woken {
  bool interrupted = false, heard = false, typed = false;
};

// Until one of them, or the time is over: -1 for none.
Woken Wait(const Ears* ears, bool keys, int milliseconds) {
  pollfd waits[] = {{InterruptDescriptor(), POLLIN, 0},
                    {ears != nullptr ? ears->descriptor() : -1, POLLIN, 0},
                    {keys ? STDIN_FILENO : -1, POLLIN, 0}};
  if (poll(waits, 3, milliseconds) < 0) return {.interrupted = Interrupted()};
  return {waits[0].revents != 0, waits[1].revents != 0, waits[2].revents != 0};
}

std::string SecondsOf(const AudioClip& clip) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f",
                static_cast<double>(clip.samples.size()) / clip.sample_rate_hz);
  return text;
}

}  // namespace

Talk::Talk(const TalkArgs& args, bool quiet)
    : args_(args), quiet_(quiet), line_(args.hears && !quiet) {
  if (args.speaks) speaker_.emplace(FindSpeaker(args.voice, args.speak_with));
  if (!args.hears) return;
  utterances_ = Utterances::New(args.utterance);
  ears_ = std::make_unique<Ears>(args.sound);
  hears_ = true;
}

void Talk::Take(std::vector<UtteranceEvent> events, bool show) {
  for (UtteranceEvent& event : events) {
    if (show && on_heard_) on_heard_(event);
    pausing_ = show && event.kind == Kind::kMayEnd;
    if (event.kind == Kind::kEnd) clips_.push_back(std::move(event.clip));
  }
}

void Talk::Hear(bool show) {
  if (!ears_) return;
  std::optional<std::vector<float>> samples;
  try {
    samples = ears_->Take();
  } catch (const Error& error) {
    broke_off_ = error;
  }
  if (!samples) {
    ears_.reset();
    Take(utterances_->Finish(), show);
    return;
  }
  // While we speak, who may not interrupt is not listened to.
  if (speaking_ && args_.no_interrupt) return;
  Take(utterances_->Push(*samples), show);
  if (!show) return;
  if (ears_->Forgot()) {
    line_.Clear();
    Tell("what the microphone heard more than two minutes ago is lost");
  }
  line_.Hear(*samples);
}

std::optional<Talk::Event> Talk::Next(LineEditor* editor) {
  if (!clips_.empty()) return Event::kUtterance;
  if (editor != nullptr && editor->HasLine()) return Event::kKey;
  if (!ears_) return Event::kEnded;
  const Woken woken = Wait(ears_.get(), editor != nullptr, pausing_ ? 0 : -1);
  if (woken.interrupted) return Event::kInterrupted;
  if (woken.typed) return Event::kKey;
  if (woken.heard) {
    Hear(/*show=*/true);
  } else if (pausing_) {
    pausing_ = read_on_ && read_on_();
  }
  return std::nullopt;
}

Talk::Event Talk::Listen(LineEditor* editor) {
  const KeyWatch watch;
  HearAgain();
  if (!quiet_) line_.Say(editor != nullptr ? "listening: speak, or type" : "listening");
  std::optional<Event> event;
  while (!event) event = Next(editor);
  line_.Clear();
  if (*event == Event::kInterrupted) ClearInterrupt();
  if (*event == Event::kKey && editor->interactive()) Mute();  // keys are loud
  if (*event == Event::kEnded) hears_ = false;
  if (*event == Event::kEnded && broke_off_) throw Error(*broke_off_);
  if (quiet_) return *event;
  if (*event == Event::kEnded) Tell("the sound has ended");
  if (*event == Event::kUtterance) Tell("heard " + SecondsOf(*clips_.front()) + " s");
  return *event;
}

void Talk::Mute() {
  if (!ears_) return;
  ears_->Listen(false);
  utterances_->Finish();
}

void Talk::HearAgain() {
  if (ears_) ears_->Listen(true);
}

void Talk::Fit(double most_s) {
  if (!hears_ || most_s == args_.utterance.most_s) return;
  clips_.clear();  // as long as the last model heard
  args_.utterance.most_s = most_s;
  std::unique_ptr<Ears> ears = std::move(ears_);
  utterances_.reset();
  hears_ = false;
  if (most_s == 0) return Tell("this model does not hear; the chat goes on typed");
  utterances_ = Utterances::New(args_.utterance);
  ears_ = std::move(ears);
  hears_ = true;
}

std::shared_ptr<const AudioClip> Talk::TakeUtterance() {
  std::shared_ptr<const AudioClip> clip = std::move(clips_.front());
  clips_.pop_front();
  return clip;
}

bool Talk::SpokenTo() const {
  return utterances_ && (utterances_->under_way() || !clips_.empty());
}

void Talk::Speak() {
  if (silenced_ || sentences_.empty()) return;
  if (!speaking_) {
    Hear(/*show=*/false);  // what was said since the answer began
    if (args_.no_interrupt && utterances_) Take(utterances_->Finish(), /*show=*/false);
    if (!args_.no_interrupt && !clips_.empty()) return Silence();
    if (SpokenTo() && !args_.no_interrupt) return;  // it may be a noise: its end tells
    speaking_ = true;
    if (utterances_) utterances_->BesideOwnVoice(true);
  }
  for (const std::string& sentence : std::exchange(sentences_, {})) speaker_->Say(sentence);
}

void Talk::Silence() {
  speaker_->Stop();
  spoken_ = {};
  sentences_.clear();
  silenced_ = true;
}

bool Talk::OnText(const std::string& text) {
  if (!speaker_ || speaking_failure_) return true;
  if (silenced_) return false;
  if (Interrupted()) {
    Silence();
    return false;
  }
  try {
    for (std::string& sentence : spoken_.Push(text)) sentences_.push_back(std::move(sentence));
    Speak();
    speaker_->Speaking();
  } catch (const Error& error) {  // the answer goes on in writing
    speaking_failure_ = error;
    return true;
  }
  if (!speaking_) return !silenced_;
  Hear(/*show=*/false);
  if (!args_.no_interrupt && SpokenTo()) Silence();
  return !silenced_;
}

void Talk::SpeakRest(bool keys) {
  const KeyWatch watch;
  for (std::string& sentence : spoken_.Finish()) sentences_.push_back(std::move(sentence));
  for (Speak(); !silenced_; Speak()) {
    if (sentences_.empty()) {
      speaker_->Finish();
      if (!speaker_->Speaking()) return;
    }
    const Woken woken = Wait(ears_.get(), keys, kGlanceMs);
    if (woken.heard) Hear(/*show=*/false);
    const bool spoken_to = speaking_ && !args_.no_interrupt && SpokenTo();
    if (woken.interrupted) ClearInterrupt();  // first: a second one meanwhile would end the program
    if (woken.interrupted || woken.typed || spoken_to) Silence();
  }
}

void Talk::FinishAnswer(LineEditor* editor) {
  if (!speaker_) return;
  try {
    if (!speaking_failure_) SpeakRest(editor != nullptr && editor->interactive());
  } catch (const Error& error) {
    speaking_failure_ = error;
  }
  speaker_->Stop();
  spoken_ = {};
  sentences_.clear();
  speaking_ = silenced_ = false;
  if (utterances_) utterances_->BesideOwnVoice(false);
  if (speaking_failure_) throw Error(*std::exchange(speaking_failure_, std::nullopt));
}

std::shared_ptr<const AudioClip> RecordUtterance(const SoundSourceArgs& sound,
                                                 const UtteranceOptions& options, bool quiet) {
  const auto utterances = Utterances::New(options);
  Ears ears(sound);
  LiveLine line(!quiet);
  const bool keys = IsTerminal(STDIN_FILENO) && sound.source != "-";
  if (!quiet) Tell(keys ? "listening; Enter ends" : "listening");
  const KeyWatch watch;
  bool ended = false;
  while (!ended) {
    const Woken woken = Wait(&ears, keys, -1);
    if (woken.interrupted) {
      ClearInterrupt();
      throw Error(ErrorKind::kUsage, "stopped; nothing is attached");
    }
    std::vector<UtteranceEvent> events;
    if (woken.heard) {
      const std::optional<std::vector<float>> samples = ears.Take();
      ended = !samples;
      if (samples) {
        line.Hear(*samples);
        events = utterances->Push(*samples);
      }
    }
    if (woken.typed) {
      char key = 0;
      ended = read(STDIN_FILENO, &key, 1) != 1 || key == '\n' || key == '\r';
    }
    if (ended) {
      for (UtteranceEvent& event : utterances->Finish()) events.push_back(std::move(event));
    }
    for (UtteranceEvent& event : events) {
      if (event.kind == Kind::kEnd) return event.clip;
    }
  }
  throw Error(ErrorKind::kUsage, "no speech was heard; nothing is attached");
}

}  // namespace gemma3n::cli
