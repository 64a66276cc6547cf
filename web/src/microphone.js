// SPDX-License-Identifier: Apache-2.0
// What the microphone hears, as blocks of samples.
import { loudness } from './wav.js';

export class Microphone {
  /** @param {(block: Float32Array, level: number) => void} take */
  constructor(take) {
    this.take = take;
    this.rate = 0;
  }

  /** Throws what the browser throws when it is not allowed. */
  async open() {
    this.stream = await navigator.mediaDevices.getUserMedia({
      audio: {
        channelCount: 1,
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true,
      },
    });
    this.context = new AudioContext();
    this.rate = this.context.sampleRate;
    await this.context.audioWorklet.addModule('/page/recorder.js');
    this.node = new AudioWorkletNode(this.context, 'recorder', { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => this.take(data, loudness(data));
    this.context.createMediaStreamSource(this.stream).connect(this.node);
    await this.context.resume();
  }

  close() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    void this.context?.close();
    this.stream = this.context = undefined;
  }
}

/** What to tell when the microphone cannot be had. */
export function microphoneTrouble(error) {
  const secure = window.isSecureContext ? '' : ' Browsers give it only to https and localhost.';
  return `No microphone: ${error.message || error.name}.${secure}`;
}
