// SPDX-License-Identifier: Apache-2.0
// What the microphone hears, as blocks of samples.
import { loudness } from './wav.js';

// One for all, made at the start: the worklet is there when the server is not.
let context = /** @type {AudioContext|null} */ (null);
let loaded = /** @type {Promise<void>|null} */ (null);
const open = /** @type {Set<Microphone>} */ (new Set());

/** Loads what runs beside the page, so that recording needs no server. */
export async function loadRecorder() {
  context ??= new AudioContext();
  loaded ??= context.audioWorklet.addModule('/page/recorder.js');
  try {
    await loaded;
  } catch (error) {
    loaded = null; // the next one tries again
    throw error;
  }
}

export class Microphone {
  /** @param {(block: Float32Array, level: number) => void} take */
  constructor(take) {
    this.take = take;
    this.rate = 0;
    this.closed = false;
  }

  /**
   * Throws what the browser throws when it is not allowed.
   * @returns {Promise<boolean>} whether it is open; it may have been closed meanwhile
   */
  async open() {
    this.stream = await navigator.mediaDevices.getUserMedia({
      audio: {
        channelCount: 1,
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true,
      },
    });
    if (!this.closed) await loadRecorder();
    if (!this.closed) {
      open.add(this);
      await context.resume();
    }
    if (this.closed) {
      this.close();
      return false;
    }
    this.rate = context.sampleRate;
    this.node = new AudioWorkletNode(context, 'recorder', { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => {
      if (!this.closed) this.take(data, loudness(data));
    };
    this.source = context.createMediaStreamSource(this.stream);
    this.source.connect(this.node);
    return true;
  }

  close() {
    this.closed = true;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.source?.disconnect();
    if (open.delete(this) && open.size === 0) void context.suspend();
  }
}
