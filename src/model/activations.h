// SPDX-License-Identifier: Apache-2.0
// All scratch of one pass through the layers, taken once for a number of rows and used by every
// layer in turn.
#pragma once

#include <vector>

#include "base/aligned_buffer.h"
#include "model/altup.h"
#include "model/config.h"
#include "model/weights.h"
#include "ops/dot_product_attention.h"
#include "ops/rope.h"
#include "ops/sparse_rows.h"

namespace gemma3n {

struct Activations {
  Activations(const DecoderWeights& weights, int64_t max_rows);

  // About what these take: all but the tables of RoPE and the row of a modality.
  static int64_t BytesFor(const TextConfig& config, int64_t max_rows);

  // Moves the last `count` of `rows` rows of what lives from layer to layer to the front.
  void KeepLast(int64_t rows, int64_t count);

  Streams h() { return StreamsOf(h_memory); }
  Streams predicted() { return StreamsOf(predicted_memory); }
  // [rows, per-layer width] of a layer, and how far apart layers are.
  const float* per_layer_input(int layer) const {
    return per_layer_inputs.data() + layer * per_layer_floats();
  }
  int64_t per_layer_floats() const { return static_cast<int64_t>(per_layer_gate.size()); }
  const ops::RopeTable& rope(bool sliding) const { return sliding ? rope_sliding : rope_full; }

  int64_t max_rows, num_streams, hidden;
  AlignedBuffer<float> embedded;          // [max_rows, hidden], the first hidden state
  AlignedBuffer<float> h_memory;          // [streams, max_rows, hidden]
  AlignedBuffer<float> predicted_memory;  // [streams, max_rows, hidden]
  AlignedBuffer<float> routing;           // [max_rows, AltUpScratchFloats]
  AlignedBuffer<float> x;                 // [max_rows, hidden], the input of a part of a layer
  AlignedBuffer<float> laurel;            // [max_rows, hidden]
  AlignedBuffer<float> laurel_low;        // [max_rows, laurel_rank]
  AlignedBuffer<float> part;              // [max_rows, hidden], what a part of a layer gave
  AlignedBuffer<float> residual;          // [max_rows, hidden], y and z of the layer
  AlignedBuffer<float> query, attended;   // [max_rows, num_attention_heads * head_dim]
  AlignedBuffer<float> key, value;        // [max_rows, num_key_value_heads * head_dim]
  AlignedBuffer<float> gate, up;          // [max_rows, widest intermediate]
  AlignedBuffer<int32_t> active;          // [widest intermediate]
  ops::SparseRows survivors;              // the gates of a sparse layer that are not 0
  AlignedBuffer<float> survivors_up;      // what they multiply
  AlignedBuffer<float> per_layer_inputs;  // [layers, max_rows, per-layer width]
  AlignedBuffer<float> per_layer_gate;    // [max_rows, per-layer width]
  AlignedBuffer<float> modality;          // [widest modality]
  ops::RopeTable rope_sliding, rope_full;
  // Of the sequences that have one row only; takes up to max_rows.
  std::vector<ops::QueryOfSequence> lone_queries;

 private:
  Streams StreamsOf(AlignedBuffer<float>& memory) {
    return {memory.data(), num_streams, hidden, max_rows * hidden};
  }
};

}  // namespace gemma3n
