// SPDX-License-Identifier: Apache-2.0
// What the fake microphone and the fake camera give: files made of the embedded model's examples.
import { readFileSync, writeFileSync } from 'node:fs';

/** The 16-bit samples of a mono WAV file and their rate. */
export function readWav(path) {
  const bytes = readFileSync(path);
  const rate = bytes.readUInt32LE(24);
  const at = bytes.indexOf('data') + 8;
  return {
    rate,
    samples: new Int16Array(
      bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + bytes.length),
    ),
  };
}

/** How loud it is in each 20 ms. */
const envelope = (samples, rate) => {
  const step = Math.round(rate / 50);
  return Array.from({ length: Math.floor(samples.length / step) }, (_, i) =>
    Math.sqrt(samples.subarray(i * step, (i + 1) * step).reduce((sum, x) => sum + x * x, 0)),
  );
};

/** How alike two rows of numbers rise and fall, from -1 to 1. */
function correlation(a, b) {
  const mean = (all) => all.reduce((sum, x) => sum + x, 0) / all.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((x, i) => {
    ab += (x - ma) * (b[i] - mb);
    aa += (x - ma) ** 2;
    bb += (b[i] - mb) ** 2;
  });
  return ab / Math.sqrt(aa * bb || 1);
}

/** How much of the speech is in a recording of it, wherever it begins: 1 is all. */
export function heard(recording, rate, speech) {
  const wanted = envelope(speech.samples, speech.rate);
  const found = envelope(recording, rate);
  let best = 0;
  for (let at = 0; at + wanted.length <= found.length; ++at)
    best = Math.max(best, correlation(wanted, found.slice(at, at + wanted.length)));
  return best;
}

/** Silence, speech, silence. */
export function writeSpeech(path, { rate, samples }, { before = 1, after = 3 } = {}) {
  const all = new Int16Array(Math.round((before + after) * rate) + samples.length);
  for (let i = 0; i < all.length; ++i)
    all[i] = Math.round(20 * Math.sin(i * 12.9898) * Math.sin(i * 78.233));
  all.set(samples, Math.round(before * rate));
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + 2 * all.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(2 * rate, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(2 * all.length, 40);
  writeFileSync(path, Buffer.concat([head, Buffer.from(all.buffer)]));
}

/** A film of one still picture for the fake camera, from RGBA pixels. */
export function writeY4m(path, { width, height, pixels }, frames = 10) {
  const planes = [0, 1, 2].map(() => Buffer.alloc(width * height));
  for (let i = 0; i < width * height; ++i) {
    const [r, g, b] = [pixels[4 * i], pixels[4 * i + 1], pixels[4 * i + 2]];
    planes[0][i] = 16 + 0.257 * r + 0.504 * g + 0.098 * b;
    planes[1][i] = 128 - 0.148 * r - 0.291 * g + 0.439 * b;
    planes[2][i] = 128 + 0.439 * r - 0.368 * g - 0.071 * b;
  }
  // Colour at half the size, which every reader of the format takes.
  const half = (plane) => {
    const out = Buffer.alloc((width / 2) * (height / 2));
    for (let y = 0; y < height / 2; ++y) {
      for (let x = 0; x < width / 2; ++x) out[y * (width / 2) + x] = plane[2 * y * width + 2 * x];
    }
    return out;
  };
  const frame = Buffer.concat([
    Buffer.from('FRAME\n'),
    planes[0],
    half(planes[1]),
    half(planes[2]),
  ]);
  writeFileSync(
    path,
    Buffer.concat([
      Buffer.from(`YUV4MPEG2 W${width} H${height} F20:1 Ip A1:1 C420jpeg\n`),
      ...Array(frames).fill(frame),
    ]),
  );
}
