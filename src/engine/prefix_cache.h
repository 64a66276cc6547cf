// SPDX-License-Identifier: Apache-2.0
// Keys and values by the prompts they belong to, and soft tokens by their media.
//
// A tree for each owner and size: a node is a piece of up to kPiece positions that begins at a
// multiple of kPiece, its children are what has followed it. Rows are kept position by position, so
// that a prompt that leaves a piece in its middle still takes what comes before, and sliding layers
// keep theirs of all positions, so that a prompt may leave anywhere.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/prompt.h"
#include "gemma3n/prefix_cache.h"
#include "model/decoder.h"
#include "tensor/tensor.h"

namespace gemma3n {

class PrefixCacheOfEngine : public PrefixCache {
 public:
  static constexpr size_t kPiece = 64;  // positions

  explicit PrefixCacheOfEngine(const PrefixCacheOptions& options);
  ~PrefixCacheOfEngine() override;

  PrefixCacheCounts counts() const override;
  void Clear() override;

  // The first engine decides, and lives on. Throws Error (kUsage) for another.
  void BelongTo(const std::shared_ptr<Engine>& engine);

  // Whose keys and values: of what was read by this owner at a size like this one.
  struct Reader {
    const std::string& owner;
    const SubmodelShape& shape;
    const TextConfig& config;
  };
  // With how many of these positions something begins that is here.
  size_t CountHeld(const Reader& reader, std::span<const PromptPosition> prompt) const;
  // Takes those from state.position() on; CountHeld is their number at least.
  void Load(const Reader& reader, std::span<const PromptPosition> prompt, DecoderState& state);
  // Keeps what the state, which has computed these positions, still holds and is not here yet: in
  // whole pieces, or also what is behind the last one.
  void Keep(const Reader& reader, std::span<const PromptPosition> done, const DecoderState& state,
            bool whole_pieces);

  // [positions, hidden], or null.
  std::shared_ptr<const Tensor> FindMedium(const std::string& owner, const MediumKey& medium);
  void KeepMedium(const std::string& owner, const MediumKey& medium,
                  std::shared_ptr<const Tensor> soft_tokens);

 private:
  struct Piece {
    Piece* parent = nullptr;
    std::vector<PromptPosition> items;
    std::unique_ptr<std::byte[]> rows;  // [items, position_bytes]
    int64_t bytes = 0;
    std::vector<std::unique_ptr<Piece>> children;
    std::list<Piece*>::iterator use;  // in used_
  };
  struct Tree {
    std::string owner;
    SubmodelShape shape;
    std::unique_ptr<Piece> root;  // without items
  };
  struct KeptMedium {
    std::string owner;
    MediumKey medium;
    std::shared_ptr<const Tensor> soft_tokens;
  };
  // The piece that agrees longest with what comes next, and how long; null and 0: none.
  struct Step {
    Piece* piece = nullptr;
    size_t count = 0;
  };

  static Step Next(const Piece& piece, std::span<const PromptPosition> prompt);
  const Tree* Find(const Reader& reader) const;
  Tree& FindOrAdd(const Reader& reader);
  // A new child of `parent`, instead of one that it goes on from, with rows [begin, end) of the
  // state; null where there is no room.
  Piece* Add(Piece& parent, Piece* instead, std::span<const PromptPosition> done, size_t begin,
             size_t end, const DecoderState& state);
  // A piece and its parents have been used.
  void Touch(Piece& piece);
  void Drop(Piece& piece);  // which has no children
  void DropBeyond(int64_t most_bytes);

  int64_t most_bytes_, most_media_bytes_;
  std::shared_ptr<Engine> engine_;
  std::list<Tree> trees_;
  // Last first. A piece stands behind its parent, so the last one has no children.
  std::list<Piece*> used_;
  std::list<KeptMedium> media_;  // last used first
  int64_t bytes_ = 0, media_bytes_ = 0, positions_ = 0;
};

}  // namespace gemma3n
