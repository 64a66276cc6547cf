// SPDX-License-Identifier: Apache-2.0
// When somebody speaks, by how loud it is against the noise of the room.

const BEGIN_RATIO = 3.2; // louder than the noise: speech
const GO_ON_RATIO = 2; // less is enough once it has begun
const LEAST = 0.006; // of full scale; below is never speech
const BEGIN_MS = 100; // so long it must be loud
const END_MS = 700; // so long it must be quiet
const PAUSES = 0.02; // of the blocks of speech at least, the ones between words
const BEFORE_MS = 300; // kept from before the beginning
const NOISE_RISE = 1.02,
  NOISE_FALL = 0.9; // a block's step of the estimate

/** Cuts a stream of blocks into utterances. */
export class UtteranceFinder {
  /** @param {number} rate @param {number} mostSeconds an utterance is ended after so long */
  constructor(rate, mostSeconds = 30) {
    this.rate = rate;
    this.most = mostSeconds * rate;
    this.noise = 0.004;
    this.speaking = false;
    this.blocks = /** @type {Float32Array[]} */ ([]);
    this.loudMs = 0;
    this.quietMs = 0;
    this.levels = /** @type {number[]} */ ([]); // of the blocks since the beginning
  }

  /**
   * @param {Float32Array} block @param {number} level its loudness
   * @returns {'begin'|'end'|'noise'|null} what has happened with it; 'noise': what had begun was the
   *   room, which has become louder
   */
  push(block, level) {
    const ms = (1000 * block.length) / this.rate;
    const fits = this.#length() + 2 * block.length <= this.most; // so does the next one
    this.blocks.push(block);
    const threshold = Math.max(LEAST, this.noise * (this.speaking ? GO_ON_RATIO : BEGIN_RATIO));
    const loud = level > threshold;
    if (!this.speaking) {
      this.noise = Math.max(
        0.0005,
        level > this.noise
          ? Math.min(level, this.noise * NOISE_RISE)
          : Math.max(level, this.noise * NOISE_FALL),
      );
      this.loudMs = loud ? this.loudMs + ms : 0;
      if (this.loudMs < BEGIN_MS) {
        this.#forget(BEFORE_MS + this.loudMs);
        return null;
      }
      this.speaking = true;
      this.quietMs = 0;
      this.levels = [level];
      return 'begin';
    }
    this.levels.push(level);
    this.quietMs = loud ? 0 : this.quietMs + ms;
    if (this.quietMs < END_MS && fits) return null;
    this.speaking = false;
    this.loudMs = 0;
    // Who speaks pauses between words; what never does is a fan.
    const quietest = this.levels.sort((a, b) => a - b)[Math.floor(this.levels.length * PAUSES)];
    if (quietest <= threshold) return 'end';
    this.noise = quietest;
    this.blocks = [];
    return 'noise';
  }

  /** What has been said so far, or was; after the end it is handed out once. */
  samples() {
    const all = joined(this.blocks);
    if (!this.speaking) this.blocks = [];
    return all;
  }

  #length() {
    return this.blocks.reduce((sum, block) => sum + block.length, 0);
  }

  #forget(keepMs) {
    let length = this.#length();
    while (this.blocks.length > 1 && length - this.blocks[0].length > (keepMs * this.rate) / 1000) {
      length -= this.blocks.shift().length;
    }
  }
}

/** @param {Float32Array[]} blocks */
export function joined(blocks) {
  const all = new Float32Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    all.set(block, at);
    at += block.length;
  }
  return all;
}
