// SPDX-License-Identifier: Apache-2.0
// Transcribe, compare, lab and connect.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { NANO, open, scratch, serve, streamed } from './harness.mjs';

const LAB = join(scratch, 'lab.json');
let server, page, close;
before(async () => {
  execFileSync(
    process.env.GEMMA3N,
    [
      'lab',
      '-m',
      NANO,
      '--limit',
      '4',
      '--evaluations',
      '12',
      '--timing',
      '0',
      '--answers',
      'none',
      '--json',
      LAB,
    ],
    { stdio: 'ignore' },
  );
  server = await serve('--lab', LAB);
  ({ page, close } = await open(server.url));
});
after(async () => {
  await close?.();
  await server?.stop();
});

const view = async (name) => {
  await page.getByRole('link', { name }).click();
  await page.getByRole('heading', { name, exact: true, level: 2 }).waitFor();
};

test('compare: one prompt in up to four columns of settings and sizes', async () => {
  await view('Compare');
  const add = page.getByRole('button', { name: 'Add a column' });
  await add.click();
  await add.click();
  assert.equal(await page.locator('.column').count(), 4);
  assert.ok(await add.isDisabled());
  const sizes = await page
    .locator('#size option')
    .evaluateAll((all) => all.map((one) => one.value));
  for (let i = 0; i < 4; ++i) {
    await page.locator('.column').nth(i).getByLabel('Size').selectOption(sizes[i]);
    await page.locator('.column').nth(i).getByLabel('Temperature').fill('0');
    await page.locator('.column').nth(i).getByLabel('Temperature').blur();
  }
  const asked = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/v1/chat/completions')) asked.push(request.postDataJSON());
  });
  await page.locator('#compare-prompt').fill('What is 7 plus 5?');
  await page.keyboard.press('Enter');
  for (let i = 0; i < 4; ++i)
    await page
      .locator('.column')
      .nth(i)
      .locator('.timings')
      .filter({ hasText: 'tokens' })
      .waitFor();
  assert.equal(await page.locator('.column .output').first().innerText(), '12');
  assert.deepEqual(asked.map((one) => one.size).sort(), sizes.slice(0, 4).sort());
  assert.ok(asked.every((one) => one.temperature === 0));
  await page.getByRole('button', { name: 'Remove column' }).last().click();
  assert.equal(await page.locator('.column').count(), 3);
  await page.reload();
  await page.locator('.column').nth(2).waitFor();
  assert.equal(await page.locator('.column').nth(1).getByLabel('Size').inputValue(), sizes[1]);
});

test('lab: the plot of the result, the current size marked, another one taken', async () => {
  await view('Lab');
  await page.locator('.plot circle.current').waitFor();
  const found = JSON.parse(readFileSync(LAB, 'utf8'));
  assert.equal(await page.locator('.plot circle.point').count(), found.sizes.length);
  assert.equal(await page.locator('#lab-result tbody tr').count(), found.sizes.length);
  assert.equal(await page.locator('tr[aria-current] td').nth(1).innerText(), 'full');
  await page.locator('#lab-result tbody tr').nth(1).getByRole('button').click();
  const size = await page.locator('#size').inputValue();
  assert.match(size, /^ffn=/);
  await page
    .locator('tr[aria-current] td')
    .first()
    .filter({ hasText: found.sizes[1].name })
    .waitFor();
  const answer = await fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ size, messages: [{ role: 'user', content: 'Hello!' }] }),
  });
  assert.equal(answer.status, 200);
  const told = JSON.stringify(await (await fetch(`${server.url}/page/lab`)).json());
  assert.ok(!told.includes(NANO), 'the result names no paths');
});

test('connect: addresses and examples that work as they are written', async () => {
  await view('Connect');
  const code = await page.locator('.card').filter({ hasText: 'shell' }).locator('pre').innerText();
  assert.ok(code.includes(`curl ${server.url}/v1/chat/completions`));
  const [, body] = /-d '([^']+)'/.exec(code);
  assert.equal(
    (await fetch(`${server.url}/v1/chat/completions`, { method: 'POST', body })).status,
    200,
  );
  for (const name of ['OpenAI', 'Ollama', 'Google GenAI'])
    await page.getByRole('heading', { name }).waitFor();
  assert.ok((await page.locator('#snippets').innerText()).includes('model="nano"'));
});

test('transcribe: lines with their times as they come, and downloads of them', async () => {
  const frames = [
    { type: 'transcript.text.segment', id: '0', start: 0, end: 1.5, text: 'Good morning.' },
    { type: 'transcript.text.delta', delta: 'Good morning.' },
    { type: 'transcript.text.segment', id: '1', start: 62.25, end: 63, text: 'a --> b' },
    { type: 'transcript.text.delta', delta: ' a --> b' },
    { type: 'transcript.text.done', text: 'Good morning. a --> b' },
  ];
  await view('Transcribe');
  await streamed(page, '/v1/audio/transcriptions', frames, { ms: 150 });
  await page.locator('#recording-file').setInputFiles(join(NANO, 'examples/spanish.wav'));
  await page.waitForFunction(
    () =>
      document.querySelectorAll('#lines li').length === 1 &&
      /is being heard/.test(document.getElementById('transcribe-note').textContent),
  );
  await page.locator('#transcribe-note').filter({ hasText: 'spanish.wav: 2 lines' }).waitFor();
  assert.deepEqual(await page.locator('#lines li').allInnerTexts(), [
    '0:00\nGood morning.',
    '1:02\na --> b',
  ]);
  const saved = {};
  for (const [name, ending] of [
    ['Download SRT', 'srt'],
    ['Download VTT', 'vtt'],
    ['Download text', 'txt'],
  ]) {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name }).click(),
    ]);
    assert.equal(download.suggestedFilename(), `spanish.${ending}`);
    saved[ending] = readFileSync(await download.path(), 'utf8');
  }
  assert.equal(
    saved.srt,
    '1\n00:00:00,000 --> 00:00:01,500\nGood morning.\n\n2\n00:01:02,250 --> 00:01:03,000\na -> b\n',
  );
  assert.match(saved.vtt, /^WEBVTT\n\n00:00:00\.000 --> 00:00:01\.500\n/);
  assert.equal(saved.txt, 'Good morning.\na --> b\n');
});

test('transcribe: what is neither sound nor film is refused before it is sent', async () => {
  await page
    .locator('#recording-file')
    .setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('x') });
  await page
    .locator('#transcribe-error .error')
    .filter({ hasText: 'notes.txt: neither sound nor film' })
    .waitFor();
});

test('transcribe: a film that no request in JSON would hold is sent', async () => {
  await streamed(page, '/v1/audio/transcriptions', [
    { type: 'transcript.text.done', text: 'a long talk' },
  ]);
  await page.evaluate(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([new Uint8Array(60 << 20)], 'talk.mp4', { type: 'video/mp4' }));
    document.body.dispatchEvent(
      new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }),
    );
  });
  await page.locator('#transcribe-note').filter({ hasText: 'talk.mp4: 1 lines' }).waitFor();
  await page.reload();
  await page.locator('#size:not([disabled])').waitFor();
});

test('transcribe: a film, heard by the model', async () => {
  await page.locator('#recording-file').setInputFiles(join(NANO, 'examples/film.mp4'));
  await page.locator('#transcribe-note').filter({ hasText: 'film.mp4: 1 lines' }).waitFor();
  assert.equal(await page.locator('#lines li span').innerText(), 'open the window');
  await page.locator('#player video').waitFor();
});
