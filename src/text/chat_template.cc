// SPDX-License-Identifier: Apache-2.0
#include "text/chat_template.h"

#include <algorithm>

#include "base/utf8.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr char kStartOfTurn[] = "<start_of_turn>";
constexpr char kEndOfTurn[] = "<end_of_turn>";

// A token's text: a string, or an object as older files write it.
std::string TokenText(const JsonValue& value, const char* fallback) {
  if (value.IsObject()) return value["content"].String();
  return value.StringOr(fallback);
}

std::string Repeat(const std::string& text, int64_t count) {
  std::string result;
  for (int64_t i = 0; i < count; ++i) result += text;
  return result;
}

ChatTemplate::Origin OriginOf(const Checkpoint& checkpoint, const JsonValue& config) {
  std::string text = checkpoint.Text("chat_template.jinja").value_or("");
  const JsonValue stated = config["chat_template"];
  if (text.empty() && stated.IsString()) text = stated.String();
  if (text.empty() &&
      stated.IsArray()) {  // several by name, of which the reference takes "default"
    for (const JsonValue& entry : stated.Items()) {
      if (entry["name"].StringOr("") == "default") text = entry["template"].StringOr("");
    }
  }
  if (text.empty()) text = checkpoint.Json("chat_template.json")["chat_template"].StringOr("");
  if (text.empty()) return ChatTemplate::Origin::kNone;
  // The marks that every form of Gemma 3n's template has, in the order it writes them.
  size_t at = 0;
  for (const char* mark : {"bos_token", "first_user_prefix", kStartOfTurn, "<audio_soft_token>",
                           "<image_soft_token>", "trim", kEndOfTurn, "<start_of_turn>model"}) {
    at = text.find(mark, at);
    if (at == std::string::npos) return ChatTemplate::Origin::kForeign;
  }
  return ChatTemplate::Origin::kGemma;
}

void AppendPlain(std::string_view text, RenderedPrompt& prompt) {
  if (text.empty()) return;
  const size_t begin = prompt.text.size();
  prompt.text += text;
  prompt.plain.push_back({begin, prompt.text.size()});
}

// Looks up the tokens that the template writes, by their roles in tokenizer_config.json.
class TokenReader {
 public:
  TokenReader(const Checkpoint& checkpoint, const Tokenizer& tokenizer)
      : path_((checkpoint.directory() / "tokenizer.json").string()),
        config_(checkpoint.Json("tokenizer_config.json")),
        tokenizer_(tokenizer) {}

  const JsonValue& config() const { return config_; }
  int32_t Id(const std::string& text) const { return *tokenizer_.Find(text); }

  std::string Text(const char* role, const char* fallback) const {
    const std::string text = TokenText(config_[role], fallback);
    if (!tokenizer_.Find(text)) Fail("expected the token " + Quoted(text) + ", found nothing");
    return text;
  }

  std::string Control(const char* role, const char* fallback) const {
    const std::string text = Text(role, fallback);
    if (!tokenizer_.IsControl(Id(text))) {
      Fail("expected " + Quoted(text) + ", the " + role +
           ", to be a control token (\"special\": true), found ordinary text");
    }
    return text;
  }

  // What a picture or a clip of `count` rows becomes: that many `soft`, and no token takes a part
  // of them.
  std::string Sequence(const std::string& begin, const std::string& soft, const std::string& end,
                       int64_t count) const {
    const std::string text = "\n\n" + begin + Repeat(soft, count) + end + "\n\n";
    const std::vector<int32_t> ids = tokenizer_.Encode(text, Tokenizer::ControlTokens::kParse);
    const auto found = std::count(ids.begin(), ids.end(), Id(soft));
    if (found != count) {
      Fail("expected that " + std::to_string(count) + " times " + Quoted(soft) + " is as many " +
           "tokens, found " + std::to_string(found));
    }
    return text;
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    throw Error(ErrorKind::kModel, path_ + ": " + what);
  }

  std::string path_;
  JsonValue config_;
  const Tokenizer& tokenizer_;
};

}  // namespace

ChatTemplate ChatTemplate::Load(const Checkpoint& checkpoint, const Tokenizer& tokenizer,
                                int64_t image_tokens, int64_t audio_tokens) {
  const TokenReader tokens(checkpoint, tokenizer);
  ChatTemplate result;
  result.bos_ = tokens.Control("bos_token", "<bos>");
  result.bos_id_ = tokens.Id(result.bos_);
  for (const char* mark : {kStartOfTurn, kEndOfTurn}) tokens.Control(mark, mark);
  if (image_tokens > 0) {
    const std::string soft = tokens.Control("image_token", "<image_soft_token>");
    result.image_id_ = tokens.Id(soft);
    result.image_ = tokens.Sequence(tokens.Text("boi_token", "<start_of_image>"), soft,
                                    tokens.Text("eoi_token", "<end_of_image>"), image_tokens);
  }
  if (audio_tokens > 0) {
    const std::string soft = tokens.Control("audio_token", "<audio_soft_token>");
    result.audio_id_ = tokens.Id(soft);
    result.audio_ = tokens.Sequence(tokens.Text("boa_token", "<start_of_audio>"), soft,
                                    tokens.Text("eoa_token", "<end_of_audio>"), audio_tokens);
  }
  result.origin_ = OriginOf(checkpoint, tokens.config());
  return result;
}

void ChatTemplate::AppendParts(const std::vector<ChatPart>& parts, bool trim,
                               RenderedPrompt& prompt) const {
  for (const ChatPart& part : parts) {
    if (part.kind == ChatPart::Kind::kText) {
      const std::string valid = ReplaceInvalidUtf8(part.text);
      AppendPlain(trim ? StripPythonSpace(valid) : std::string_view(valid), prompt);
    } else {
      prompt.text += part.kind == ChatPart::Kind::kImage ? image_ : audio_;
    }
  }
}

RenderedPrompt ChatTemplate::RenderRaw(const std::vector<ChatTurn>& turns) const {
  RenderedPrompt prompt;
  prompt.text = bos_;
  for (const ChatTurn& turn : turns) AppendParts(turn.parts, /*trim=*/false, prompt);
  return prompt;
}

RenderedPrompt ChatTemplate::Render(const std::vector<ChatTurn>& turns, bool open_answer) const {
  RenderedPrompt prompt;
  prompt.text = bos_;
  const bool has_system = !turns.empty() && turns[0].role == "system";
  for (size_t i = has_system ? 1 : 0; i < turns.size(); ++i) {
    const ChatTurn& turn = turns[i];
    const bool users_turn = (i - (has_system ? 1 : 0)) % 2 == 0;
    const std::string role = turn.role == "assistant" ? "model" : turn.role;
    if (role != (users_turn ? "user" : "model")) {
      throw Error(ErrorKind::kRequest, "turn " + std::to_string(i + 1) + ": expected the role " +
                                           (users_turn ? "user" : "model") + ", found " +
                                           Quoted(turn.role));
    }
    prompt.text += kStartOfTurn + role + "\n";
    if (has_system && i == 1) {
      // Only the first text of a system turn counts, as it stands.
      for (const ChatPart& part : turns[0].parts) {
        if (part.kind != ChatPart::Kind::kText) continue;
        AppendPlain(ReplaceInvalidUtf8(part.text), prompt);
        break;
      }
      prompt.text += "\n\n";
    }
    AppendParts(turn.parts, /*trim=*/true, prompt);
    const bool continued = open_answer && i + 1 == turns.size() && !users_turn;
    if (continued) return prompt;
    prompt.text += std::string(kEndOfTurn) + "\n";
  }
  if (open_answer) prompt.text += std::string(kStartOfTurn) + "model\n";
  return prompt;
}

}  // namespace gemma3n
