// SPDX-License-Identifier: Apache-2.0
// Camera and microphone: fake ones that show a picture and say a sentence.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { heard, readWav, writeSpeech, writeY4m } from './fake_media.mjs';
import { answered, ask, launch, likeliest, NANO, open, scratch, serve } from './harness.mjs';

const SPEECH = join(scratch, 'speech.wav'),
  CAMERA = join(scratch, 'camera.y4m');
const SAID = readWav(join(NANO, 'examples/spanish.wav'));
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
  writeSpeech(SPEECH, SAID, { before: 1, after: 20 });
  writeY4m(CAMERA, await pixelsOf(join(NANO, 'examples/shapes.png')));
  server = await serve();
  ({ page, close } = await open(server.url, {
    expectErrors: /ERR_CONNECTION_REFUSED/, // of the last test
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
  // The frame that was sent is in the context, and the next one is counted before it is.
  const { image_tokens: frame } = await page.evaluate(async () =>
    (await fetch('/page/info')).json(),
  );
  await page.locator('#count').filter({ hasText: `${frame} tokens to send` }).waitFor();
  const { usage } = await (
    await fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ ...request.postDataJSON(), stream: false, stream_options: undefined }),
    })
  ).json();
  const used = Number((await page.locator('#context-text').innerText()).split(' ')[0]);
  assert.ok(used >= usage.prompt_tokens + frame, `${used} tokens`);
  await page.getByRole('button', { name: 'Close camera' }).click();
  await page.locator('#count').filter({ hasText: /^$/ }).waitFor({ state: 'attached' });
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
  const asked = page.waitForRequest('**/v1/chat/completions');
  await page.mouse.down();
  await page.locator('#voice-text').filter({ hasText: 'Listening' }).waitFor();
  await page.waitForTimeout(1400 + (1000 * SAID.samples.length) / SAID.rate);
  await page.mouse.up();
  const samples = clipOf(await asked);
  assert.ok(heard(samples, 16000, SAID) > 0.9, `${heard(samples, 16000, SAID)}`);
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
  const clip = page.waitForRequest(
    (request) =>
      request.url().endsWith('/v1/chat/completions') &&
      Array.isArray(request.postDataJSON().messages.at(-1).content),
  );
  await page.locator('#ears').click();
  // The answer ends when the speech begins, not when it is over.
  const questions = await page.waitForFunction(
    () =>
      /stopped/.test(document.querySelector('article.assistant .timings')?.textContent) &&
      document.querySelectorAll('article.user').length,
  );
  assert.equal(await questions.jsonValue(), 1, 'it was stopped by what was said');
  const samples = clipOf(await clip);
  assert.ok(heard(samples, 16000, SAID) > 0.9, `${heard(samples, 16000, SAID)}`);
  await page.unroute('**/v1/chat/completions');
  await answered(page);
  await page.locator('article.user .transcript').waitFor(); // what was heard, as text
  await page.locator('#ears').click();
  await page.locator('#voice').waitFor({ state: 'hidden' });
});

test('camera and microphone that are closed while they open are off', async () => {
  await page.evaluate(() => {
    window.streams = [];
    const { mediaDevices } = navigator;
    const real = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = async (wanted) => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      window.streams.push(await real(wanted));
      return window.streams.at(-1);
    };
  });
  for (const id of ['#ears', '#open-camera']) {
    await page.locator(id).click();
    await page.locator(id).click();
  }
  await page.getByRole('link', { name: 'Transcribe' }).click();
  await page.locator('#transcribe-record').click();
  await page.locator('#transcribe-record').click();
  await page.waitForFunction(() => window.streams.length === 3);
  await page.waitForFunction(() =>
    window.streams.every((one) => one.getTracks().every((track) => track.readyState === 'ended')),
  );
  await page.getByRole('link', { name: 'Chat' }).click();
  await page.locator('#voice').waitFor({ state: 'hidden' });
  await page.locator('#camera').waitFor({ state: 'hidden' });
});

test('a page that browsers give no microphone is a page all the same', async () => {
  const other = await page.context().newPage();
  await other.addInitScript(() => {
    // as for http from another machine
    delete BaseAudioContext.prototype.audioWorklet;
    Object.defineProperty(navigator, 'mediaDevices', { value: undefined });
  });
  await other.goto(server.url);
  await other.locator('#size:not([disabled])').waitFor();
  await other.locator('#ears').click();
  const error = other.locator('#voice-error .error');
  await error.filter({ hasText: 'No microphone' }).waitFor();
  await error.getByRole('button', { name: 'Close' }).click();
  await error.waitFor({ state: 'detached' });
  assert.equal(await other.locator('#ears').getAttribute('aria-pressed'), 'false');
  await other.close();
});

test('a recording needs no server', async () => {
  await page.getByRole('link', { name: 'Transcribe' }).click();
  await server.stop();
  await page.locator('#transcribe-record').click();
  await page.locator('#transcribe-note').filter({ hasText: 'Recording' }).waitFor();
  await page.waitForFunction(() => document.getElementById('transcribe-level').value > 0);
  await page.locator('#transcribe-record').click();
  await page.locator('#transcribe-note').filter({ hasText: 'Waiting for the server' }).waitFor();
  await page.locator('#transcribe-stop').click();
});
