// SPDX-License-Identifier: Apache-2.0
#include "text/chat_template.h"

#include "gemma3n/error.h"
#include "text/utf8.h"

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
  if (text.empty() && config["chat_template"].IsString()) text = config["chat_template"].String();
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

}  // namespace

ChatTemplate ChatTemplate::Load(const Checkpoint& checkpoint, const Tokenizer& tokenizer,
                                int64_t image_tokens, int64_t audio_tokens) {
  const JsonValue config = checkpoint.Json("tokenizer_config.json");
  const auto token = [&](const char* role, const char* fallback) {
    const std::string text = TokenText(config[role], fallback);
    if (!tokenizer.Find(text)) {
      throw Error(ErrorKind::kModel, checkpoint.directory().string() + ": expected the token '" +
                                         text + "' in tokenizer.json, found nothing");
    }
    return text;
  };
  const auto sequence = [&](const char* begin, const char* begin_fallback, const char* soft,
                            const char* soft_fallback, const char* end, const char* end_fallback,
                            int64_t count) {
    return "\n\n" + token(begin, begin_fallback) + Repeat(token(soft, soft_fallback), count) +
           token(end, end_fallback) + "\n\n";
  };
  ChatTemplate result;
  result.bos_ = token("bos_token", "<bos>");
  for (const char* text : {kStartOfTurn, kEndOfTurn}) token(text, text);
  if (image_tokens > 0) {
    result.image_ = sequence("boi_token", "<start_of_image>", "image_token", "<image_soft_token>",
                             "eoi_token", "<end_of_image>", image_tokens);
  }
  if (audio_tokens > 0) {
    result.audio_ = sequence("boa_token", "<start_of_audio>", "audio_token", "<audio_soft_token>",
                             "eoa_token", "<end_of_audio>", audio_tokens);
  }
  result.origin_ = OriginOf(checkpoint, config);
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
    prompt.text += std::string(kEndOfTurn) + "\n";
  }
  if (open_answer) prompt.text += std::string(kStartOfTurn) + "model\n";
  return prompt;
}

}  // namespace gemma3n
