// SPDX-License-Identifier: Apache-2.0
// Samples as the model hears them: 16 kHz, one channel, 16 bits, in a WAV file.

export const RATE = 16000;

/**
 * Samples at another rate, each the mean of what it stands for when there are fewer (a plain
 * low pass), else on the line between two.
 * @param {Float32Array} samples @param {number} from @param {number} to
 */
export function resample(samples, from, to) {
  if (from === to) return samples;
  const step = from / to;
  const out = new Float32Array(Math.floor(samples.length / step));
  for (let i = 0; i < out.length; ++i) {
    const begin = i * step;
    if (step > 1) {
      const end = Math.min(begin + step, samples.length);
      let sum = 0;
      for (let at = Math.floor(begin); at < end; ++at) {
        sum += samples[at] * (Math.min(at + 1, end) - Math.max(at, begin));
      }
      out[i] = sum / (end - begin);
    } else {
      const at = Math.floor(begin);
      const next = samples[Math.min(at + 1, samples.length - 1)];
      out[i] = samples[at] + (next - samples[at]) * (begin - at);
    }
  }
  return out;
}

/** @param {Float32Array} samples in [-1, 1] @returns {ArrayBuffer} */
export function wavOf(samples, rate = RATE) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => {
    const clipped = Math.max(-1, Math.min(1, sample));
    view.setInt16(44 + 2 * i, Math.round(clipped < 0 ? clipped * 32768 : clipped * 32767), true);
  });
  return view.buffer;
}

/** Root of the mean square. @param {Float32Array} samples */
export function loudness(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return samples.length ? Math.sqrt(sum / samples.length) : 0;
}
