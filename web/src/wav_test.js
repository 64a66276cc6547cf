// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loudness, resample, wavOf } from './wav.js';

test('a WAV file has the header of 16-bit mono, and samples are clipped', () => {
  const bytes = new Uint8Array(wavOf(Float32Array.of(0, 1, -1, 2, -2, 0.5)));
  const view = new DataView(bytes.buffer);
  const text = (at, length) => String.fromCharCode(...bytes.slice(at, at + length));
  assert.equal(bytes.length, 44 + 12);
  assert.equal(text(0, 4) + text(8, 8) + text(36, 4), 'RIFFWAVEfmt data');
  assert.equal(view.getUint32(4, true), 48);
  assert.equal(view.getUint16(22, true), 1);
  assert.equal(view.getUint32(24, true), 16000);
  assert.equal(view.getUint32(28, true), 32000);
  assert.equal(view.getUint32(40, true), 12);
  assert.deepEqual([...new Int16Array(bytes.buffer, 44)], [0, 32767, -32768, 32767, -32768, 16384]);
});

test('a tone keeps its length and frequency at another rate', () => {
  for (const rate of [48000, 44100, 22050, 16000, 8000]) {
    const tone = Float32Array.from({ length: rate }, (_, i) =>
      Math.sin((2 * Math.PI * 440 * i) / rate),
    );
    const found = resample(tone, rate, 16000);
    assert.ok(Math.abs(found.length - 16000) <= 1, `${rate}: ${found.length}`);
    let crossings = 0;
    for (let i = 1; i < found.length; ++i) crossings += found[i - 1] < 0 && found[i] >= 0;
    assert.ok(Math.abs(crossings - 440) <= 1, `${rate}: ${crossings}`);
    assert.ok(Math.abs(loudness(found) - Math.SQRT1_2) < 0.02, `${rate}: ${loudness(found)}`);
  }
});

test('what is above half the new rate is much softer', () => {
  const hiss = Float32Array.from({ length: 48000 }, (_, i) =>
    Math.sin((2 * Math.PI * 15000 * i) / 48000),
  );
  assert.ok(loudness(resample(hiss, 48000, 16000)) < 0.25);
});
