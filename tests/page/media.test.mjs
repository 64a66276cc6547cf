// SPDX-License-Identifier: Apache-2.0
// Pictures, sound, films and texts: dropped, pasted, picked; what cannot be sent is said at once.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { answered, ask, likeliest, NANO, open, serve } from './harness.mjs';

let server, page, close;
before(async () => {
  server = await serve();
  ({ page, close } = await open(server.url, { expectErrors: /status of 400/ }));
  await likeliest(page);
});
after(async () => {
  await close?.();
  await server?.stop();
});

/** What the program itself answers. */
function run(prompt, ...media) {
  const out = execFileSync(
    process.env.GEMMA3N,
    ['run', '-m', NANO, '--temp', '0', '--json', prompt, ...media],
    { input: '', stdio: ['pipe', 'pipe', 'ignore'] },
  );
  return JSON.parse(out).text.trim();
}

/** Hands files to the page as if they were dropped on it or pasted. */
const give = (event, path, name, type) =>
  page.evaluate(
    async ([kind, base64, fileName, mime]) => {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], fileName, { type: mime }));
      const init = { bubbles: true, cancelable: true };
      if (kind === 'paste')
        document.dispatchEvent(new ClipboardEvent('paste', { ...init, clipboardData: data }));
      else
        for (const step of ['dragenter', 'dragover', 'drop'])
          document.body.dispatchEvent(new DragEvent(step, { ...init, dataTransfer: data }));
    },
    [event, readFileSync(path).toString('base64'), name, type],
  );

const ready = () =>
  page
    .locator('#attachments .note')
    .filter({ hasText: /^\d+ tokens$/ })
    .first()
    .waitFor();
const fresh = async () => {
  await page.getByRole('button', { name: 'New conversation' }).click();
  await page.locator('.welcome').waitFor();
};

test('a dropped picture is counted, shown and seen', async () => {
  const path = join(NANO, 'examples/shapes.png');
  await give('drop', path, 'shapes.png', 'image/png');
  await ready();
  assert.match(await page.locator('#attachments .note').innerText(), /^1\d tokens$/);
  assert.equal(await ask(page, 'Describe the picture.'), run('Describe the picture.', path));
  await page.locator('article.user img.media').waitFor();
});

test('a pasted sound is heard', async () => {
  await fresh();
  const path = join(NANO, 'examples/spanish.wav');
  await give('paste', path, 'spanish.wav', 'audio/wav');
  await ready();
  const prompt = 'Transcribe the following speech segment.';
  await page.locator('#prompt').fill(prompt);
  await page.keyboard.press('Enter');
  assert.equal(await answered(page), run(prompt, path));
  await page.locator('article.user audio').waitFor();
});

test('a film that was picked is watched', async () => {
  await fresh();
  const path = join(NANO, 'examples/film.mp4');
  await page.locator('#files').setInputFiles(path);
  await ready();
  assert.ok(Number.parseInt(await page.locator('#attachments .note').innerText(), 10) > 40);
  assert.equal(
    await ask(page, 'What is in the last picture?'),
    run('What is in the last picture?', path),
  );
});

test('a text file is read as text', async () => {
  await fresh();
  await page
    .locator('#files')
    .setInputFiles({
      name: 'colours.txt',
      mimeType: 'text/plain',
      buffer: Buffer.from('Paul white\n'),
    });
  await ready();
  const [request] = await Promise.all([
    page.waitForRequest('**/v1/chat/completions'),
    ask(page, 'Hello!'),
  ]);
  assert.deepEqual(request.postDataJSON().messages[0].content[0], {
    type: 'text',
    text: 'colours.txt:\nPaul white\n\n',
  });
});

test('what cannot be read or is too large is said before anything is sent', async () => {
  await fresh();
  const sent = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/v1/chat/completions')) sent.push(request);
  });
  await page
    .locator('#files')
    .setInputFiles({
      name: 'broken.png',
      mimeType: 'image/png',
      buffer: Buffer.from('no picture'),
    });
  await page.locator('.chip.bad').filter({ hasText: 'broken.png' }).waitFor();
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(60 << 20)], 'long.mp4', { type: 'video/mp4' }));
    data.items.add(new File(['x'], 'archive.zip', { type: 'application/zip' }));
    document.body.dispatchEvent(
      new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data }),
    );
  });
  await page.locator('.chip.bad').filter({ hasText: 'the server takes at most 50 MB' }).waitFor();
  await page
    .locator('.chip.bad')
    .filter({ hasText: 'neither a picture, sound, film nor text' })
    .waitFor();
  await page.locator('#prompt').fill('');
  await page.keyboard.press('Enter');
  await page.waitForTimeout(200);
  assert.equal(sent.length, 0);
  // What was refused stays to be seen when the question goes without it.
  await ask(page, 'Hello!');
  assert.equal(sent[0].postDataJSON().messages[0].content, 'Hello!');
  const copy = page.getByRole('button', { name: 'Copy details of broken.png' });
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await copy.click();
  const details = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
  assert.equal(details.code, 'invalid_image');
  for (let left = 3; left > 0; --left)
    await page.getByRole('button', { name: /^Remove/ }).first().click();
  assert.equal(await page.locator('.chip').count(), 0);
});

test('a question that is sent while a file is read goes with the file', async () => {
  await fresh();
  await page.route('**/page/count', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 400));
    await route.continue();
  });
  await page
    .locator('#files')
    .setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('white') });
  await page.locator('.chip').filter({ hasText: 'reading' }).waitFor();
  const [request] = await Promise.all([
    page.waitForRequest('**/v1/chat/completions'),
    ask(page, 'Hello!'),
  ]);
  await page.unroute('**/page/count');
  assert.deepEqual(
    request.postDataJSON().messages[0].content.map((one) => one.text),
    ['a.txt:\nwhite\n', 'Hello!'],
  );
});

test('a text that is pasted with a picture of it is text, in a field', async () => {
  const paste = (text, name) =>
    page.evaluate(
      ([words, file]) => {
        const clipboardData = new DataTransfer();
        clipboardData.setData('text/plain', words);
        clipboardData.items.add(new File(['x'], file, { type: 'text/plain' }));
        const event = new ClipboardEvent('paste', {
          bubbles: true,
          cancelable: true,
          clipboardData,
        });
        document.getElementById('prompt').dispatchEvent(event);
        return event.defaultPrevented;
      },
      [text, name],
    );
  assert.equal(await paste('A1\tB1', 'image.png'), false);
  assert.equal(await paste('/home/me/notes.txt', 'notes.txt'), true);
  const chips = page.locator('#attachments .chip');
  await chips.filter({ hasText: 'notes.txt' }).waitFor();
  assert.equal(await chips.count(), 1);
});
