// SPDX-License-Identifier: Apache-2.0
#include "engine/prefix_cache.h"

#include <algorithm>
#include <new>

#include "base/check.h"
#include "engine/memory.h"

namespace gemma3n {
namespace {

int64_t BytesToKeep(int64_t asked) {
  if (asked >= 0) return asked;
  constexpr int64_t kMost = 1 << 30;
  const int64_t free = FreeMemory();
  return free < 0 ? kMost : std::min(kMost, free / 4);
}

int64_t BytesOf(const Tensor& tensor) {
  return static_cast<int64_t>(tensor.size() * sizeof(float));
}

}  // namespace

PrefixCacheOfEngine::PrefixCacheOfEngine(const PrefixCacheOptions& options)
    : most_bytes_(BytesToKeep(options.most_bytes)), most_media_bytes_(options.most_media_bytes) {}

PrefixCacheOfEngine::~PrefixCacheOfEngine() = default;

PrefixCacheCounts PrefixCacheOfEngine::counts() const {
  return {.bytes = bytes_,
          .media_bytes = media_bytes_,
          .positions = positions_,
          .media = static_cast<int64_t>(media_.size())};
}

void PrefixCacheOfEngine::Clear() {
  DropBeyond(0);
  media_.clear();
  media_bytes_ = 0;
}

void PrefixCacheOfEngine::BelongTo(const std::shared_ptr<Engine>& engine) {
  if (engine_ == nullptr) engine_ = engine;
  if (engine_ == engine) return;
  throw Error(ErrorKind::kUsage, "prefix cache: expected sessions of one engine");
}

const PrefixCacheOfEngine::Tree* PrefixCacheOfEngine::Find(const Reader& reader) const {
  const auto found = std::find_if(trees_.begin(), trees_.end(), [&](const Tree& tree) {
    return tree.owner == reader.owner && ShareKeysValues(reader.config, tree.shape, reader.shape);
  });
  return found == trees_.end() ? nullptr : &*found;
}

PrefixCacheOfEngine::Tree& PrefixCacheOfEngine::FindOrAdd(const Reader& reader) {
  if (const Tree* const found = Find(reader)) return const_cast<Tree&>(*found);
  trees_.push_back({reader.owner, reader.shape, std::make_unique<Piece>()});
  return trees_.back();
}

PrefixCacheOfEngine::Step PrefixCacheOfEngine::Next(const Piece& piece,
                                                    std::span<const PromptPosition> prompt) {
  Step best;
  for (const auto& child : piece.children) {
    size_t count = 0;
    const size_t most = std::min(child->items.size(), prompt.size());
    while (count < most && child->items[count] == prompt[count]) ++count;
    if (count > best.count) best = {child.get(), count};
  }
  return best;
}

size_t PrefixCacheOfEngine::CountHeld(const Reader& reader,
                                      std::span<const PromptPosition> prompt) const {
  const Tree* const tree = Find(reader);
  if (tree == nullptr) return 0;
  size_t held = 0;
  const Piece* piece = tree->root.get();
  do {
    const Step step = Next(*piece, prompt.subspan(held));
    held += step.count;
    piece = step.count == kPiece ? step.piece : nullptr;
  } while (piece != nullptr);
  return held;
}

void PrefixCacheOfEngine::Load(const Reader& reader, std::span<const PromptPosition> prompt,
                               DecoderState& state) {
  const Tree* const tree = Find(reader);
  CHECK(tree != nullptr);
  const int64_t end = static_cast<int64_t>(prompt.size());
  Piece* piece = tree->root.get();
  for (int64_t begin = 0; begin < end; begin += static_cast<int64_t>(kPiece)) {
    const Step step = Next(*piece, prompt.subspan(static_cast<size_t>(begin)));
    const int64_t until = begin + static_cast<int64_t>(step.count);
    CHECK(step.count == kPiece || until == end);
    piece = step.piece;
    while (begin <= state.position() && state.position() < until) {
      state.TakeRows(piece->rows.get() + (state.position() - begin) * state.position_bytes(), end);
    }
  }
  Touch(*piece);
}

void PrefixCacheOfEngine::Keep(const Reader& reader, std::span<const PromptPosition> done,
                               const DecoderState& state, bool whole_pieces) {
  CHECK_EQ(static_cast<int64_t>(done.size()), state.position());
  if (most_bytes_ == 0) return;
  Tree& tree = FindOrAdd(reader);
  Piece* piece = tree.root.get();
  for (size_t begin = 0; begin < done.size(); begin += kPiece) {
    const size_t end = std::min(done.size(), begin + kPiece);
    const Step step = Next(*piece, done.subspan(begin, end - begin));
    if (begin + step.count == end) {
      piece = step.piece;
      continue;
    }
    if (whole_pieces && end - begin < kPiece) break;
    // A piece that ended where this one goes on.
    Piece* const shorter =
        step.piece != nullptr && step.count == step.piece->items.size() ? step.piece : nullptr;
    Piece* const added = Add(*piece, shorter, done, begin, end, state);
    if (added == nullptr) break;
    piece = added;
  }
  Touch(*piece);
  if (tree.root->children.empty()) trees_.pop_back();  // it was added just now
  DropBeyond(most_bytes_);
}

PrefixCacheOfEngine::Piece* PrefixCacheOfEngine::Add(Piece& parent, Piece* instead,
                                                     std::span<const PromptPosition> done,
                                                     size_t begin, size_t end,
                                                     const DecoderState& state) {
  const size_t known = instead == nullptr ? 0 : instead->items.size();
  if (!state.HoldsRows(static_cast<int64_t>(begin + known))) return nullptr;
  const int64_t row_bytes = state.position_bytes(), count = static_cast<int64_t>(end - begin);
  auto piece = std::make_unique<Piece>();
  piece->rows.reset(new (std::nothrow) std::byte[static_cast<size_t>(count * row_bytes)]);
  if (piece->rows == nullptr) return nullptr;
  piece->bytes = static_cast<int64_t>(sizeof(Piece)) +
                 count * (row_bytes + static_cast<int64_t>(sizeof(PromptPosition)));
  if (instead != nullptr) {
    std::copy_n(instead->rows.get(), static_cast<int64_t>(known) * row_bytes, piece->rows.get());
  }
  for (size_t i = 0; i < end - begin; ++i) {
    const PromptPosition& position = done[begin + i];
    piece->items.push_back(position);
    if (i < known) continue;
    state.CopyRowsTo(static_cast<int64_t>(begin + i),
                     piece->rows.get() + static_cast<int64_t>(i) * row_bytes);
  }
  Piece* const added = piece.get();
  added->parent = &parent;
  bytes_ += added->bytes;
  positions_ += count;
  used_.push_front(added);
  added->use = used_.begin();
  parent.children.push_back(std::move(piece));
  if (instead != nullptr) Drop(*instead);
  return added;
}

void PrefixCacheOfEngine::Touch(Piece& piece) {
  for (Piece* at = &piece; at->parent != nullptr; at = at->parent) {
    used_.splice(used_.begin(), used_, at->use);
  }
}

void PrefixCacheOfEngine::Drop(Piece& piece) {
  CHECK(piece.children.empty());
  bytes_ -= piece.bytes;
  positions_ -= static_cast<int64_t>(piece.items.size());
  used_.erase(piece.use);
  Piece& parent = *piece.parent;
  std::erase_if(parent.children, [&](const auto& child) { return child.get() == &piece; });
  if (parent.parent != nullptr || !parent.children.empty()) return;
  std::erase_if(trees_, [&](const Tree& tree) { return tree.root.get() == &parent; });
}

void PrefixCacheOfEngine::DropBeyond(int64_t most_bytes) {
  while (bytes_ > most_bytes) Drop(*used_.back());
}

std::shared_ptr<const Tensor> PrefixCacheOfEngine::FindMedium(const std::string& owner,
                                                              const MediumKey& medium) {
  for (auto kept = media_.begin(); kept != media_.end(); ++kept) {
    if (kept->owner != owner || !(kept->medium == medium)) continue;
    media_.splice(media_.begin(), media_, kept);
    return kept->soft_tokens;
  }
  return nullptr;
}

void PrefixCacheOfEngine::KeepMedium(const std::string& owner, const MediumKey& medium,
                                     std::shared_ptr<const Tensor> soft_tokens) {
  if (FindMedium(owner, medium) != nullptr) return;
  media_bytes_ += BytesOf(*soft_tokens);
  media_.push_front({owner, medium, std::move(soft_tokens)});
  while (media_bytes_ > most_media_bytes_) {
    media_bytes_ -= BytesOf(*media_.back().soft_tokens);
    media_.pop_back();
  }
}

std::shared_ptr<PrefixCache> PrefixCache::New(const PrefixCacheOptions& options) {
  return std::make_shared<PrefixCacheOfEngine>(options);
}

}  // namespace gemma3n
