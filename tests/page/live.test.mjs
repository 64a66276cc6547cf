// SPDX-License-Identifier: Apache-2.0
// Camera and microphone: fake ones that show a picture and say a sentence.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readWav, writeSpeech, writeY4m } from './fake_media.mjs';
import { answered, ask, launch, likeliest, NANO, open, scratch, serve } from './harness.mjs';

const SPEECH = join(scratch, 'speech.wav'),
  CAMERA = join(scratch, 'camera.y4m');
let server, page, close;

/** The pixels of a picture, four times as large. */
async function pixelsOf(path) {
  const browser = await launch();
  const blank = await browser.newPage();
  const found = await blank.evaluate(async (base64) => {
    const picture = await createImageBitmap(
      new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type: 'image/png' }),
    );
    const [width, height] = [picture.width * 4, picture.height * 4];
    const drawing = new OffscreenCanvas(width, height).getContext('2d');
    drawing.imageSmoothingEnabled = false;
    drawing.drawImage(picture, 0, 0, width, height);
    const { data } = drawing.getImageData(0, 0, width, height);
    const rows = Array.from({ length: height }, (_, y) =>
      String.fromCharCode(...data.subarray(4 * y * width, 4 * (y + 1) * width)),
    );
    return { width, height, pixels: rows.join('') }; // as text, which is handed over at once
  }, readFileSync(path).toString('base64'));
  await browser.close();
  return { ...found, pixels: Buffer.from(found.pixels, 'latin1') };
}

before(async () => {
  writeSpeech(SPEECH, readWav(join(NANO, 'examples/spanish.wav')), { before: 2, after: 20 });
  writeY4m(CAMERA, await pixelsOf(join(NANO, 'examples/shapes.png')));
  server = await serve();
  ({ page, close } = await open(server.url, {
    args: [
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-audio-capture=${SPEECH}%noloop`,
      `--use-file-for-fake-video-capture=${CAMERA}`,
    ],
    context: { permissions: ['camera', 'microphone'] },
  }));
  await likeliest(page);
});
after(async () => {
  await close?.();
  await server?.stop();
});

const fresh = async () => {
  await page.getByRole('button', { name: 'New conversation' }).click();
  await page.locator('.welcome').waitFor();
};

/** The clip of the last question that was sent, as samples. */
function clipOf(request) {
  const part = request
    .postDataJSON()
    .messages.at(-1)
    .content.find((one) => one.type === 'input_audio');
  const bytes = Buffer.from(part.input_audio.data, 'base64');
  assert.equal(bytes.toString('latin1', 0, 4), 'RIFF');
  assert.equal(bytes.readUInt32LE(24), 16000);
  return new Int16Array(bytes.buffer.slice(bytes.byteOffset + 44, bytes.byteOffset + bytes.length));
}

test('a photo is taken and asked about', async () => {
  await page.locator('#open-camera').click();
  await page.waitForFunction(() => document.getElementById('camera-picture').videoWidth > 0);
  await page.getByRole('button', { name: 'Take photo' }).click();
  await page.locator('#attachments .note').filter({ hasText: 'tokens' }).waitFor();
  const seen = await ask(page, 'Describe the picture.');
  assert.match(seen, /(circle|square|triangle|cross|star)/);
});

test('the live camera sends its newest frame with each question', async () => {
  await fresh();
  await page.getByRole('button', { name: 'Live' }).click();
  const [request] = await Promise.all([
    page.waitForRequest('**/v1/chat/completions'),
    ask(page, 'Describe the picture.'),
  ]);
  assert.match(
    request.postDataJSON().messages[0].content[0].image_url.url,
    /^data:image\/jpeg;base64,/,
  );
  const first = await page.locator('article.assistant .body').innerText();
  await page.getByRole('button', { name: 'Close camera' }).click();
  assert.match(first, /(circle|square|triangle|cross|star)/);
  const [without] = await Promise.all([
    page.waitForRequest('**/v1/chat/completions'),
    ask(page, 'Hello!'),
  ]);
  assert.equal(without.postDataJSON().messages.at(-1).content, 'Hello!');
});

test('holding the microphone records, letting go sends', async () => {
  await fresh();
  await page.locator('#prompt').fill('Transcribe the following speech segment.');
  await page.locator('#talk').hover();
  await page.mouse.down();
  await page.locator('#voice-text').filter({ hasText: 'Listening' }).waitFor();
  await page.waitForTimeout(1200);
  const [request] = await Promise.all([
    page.waitForRequest('**/v1/chat/completions'),
    page.mouse.up(),
  ]);
  const samples = clipOf(request);
  assert.ok(
    samples.length > 0.8 * 16000 && samples.length < 3 * 16000,
    `${samples.length} samples`,
  );
  await answered(page);
  await page.locator('article.user audio').waitFor();
});

test('hands-free: speech is noticed, its pause ends it, and it interrupts an answer', async () => {
  await fresh();
  // An answer that does not come is under way when the speech begins.
  await page.route('**/v1/chat/completions', (route) => {
    const typed = route.request().postDataJSON().messages.at(-1).content === 'Hello!';
    return typed ? new Promise((resolve) => setTimeout(resolve, 8000)) : route.continue();
  });
  await page.locator('#prompt').fill('Hello!');
  await page.keyboard.press('Enter');
  await page.locator('#stop').waitFor();
  await page.locator('#prompt').fill('Transcribe the following speech segment.');
  const heard = page.waitForRequest(
    (request) =>
      request.url().endsWith('/v1/chat/completions') &&
      Array.isArray(request.postDataJSON().messages.at(-1).content),
  );
  await page.locator('#ears').click();
  const samples = clipOf(await heard);
  assert.ok(samples.length > 0.8 * 16000, `${samples.length} samples`);
  assert.ok(Math.max(...samples) > 2000, 'speech was in it');
  await page.unroute('**/v1/chat/completions');
  await answered(page);
  await page.locator('article.user .transcript').waitFor();  // what was heard, as text
  assert.match(await page.locator('article.assistant .timings').first().innerText(), /stopped/);
  await page.locator('#ears').click();
  await page.locator('#voice').waitFor({ state: 'hidden' });
});
