// SPDX-License-Identifier: Apache-2.0
// For everybody: axe finds nothing on any view, light or dark; the keyboard is enough; a phone too.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { writeSpeech } from './fake_media.mjs';
import { answered, ask, askNow, NANO, open, scratch, serve } from './harness.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const VIEWS = ['chat', 'transcribe', 'compare', 'lab', 'connect'];

const LAB = join(scratch, 'lab.json'),
  SILENCE = join(scratch, 'silence.wav');
let server;
before(async () => {
  writeSpeech(SILENCE, { rate: 16000, samples: new Int16Array(0) });
  execFileSync(
    process.env.GEMMA3N,
    [
      ...['lab', '-m', NANO, '--limit', '4', '--evaluations', '12'],
      ...['--timing', '0', '--answers', 'none', '--json', LAB],
    ],
    { stdio: 'ignore' },
  );
  server = await serve();
});
after(() => server?.stop());

async function check(page, where) {
  await page.evaluate(AXE); // the debugger's own evaluation, which no policy stops
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, { resultTypes: ['violations'] }),
  );
  assert.deepEqual(
    violations.map(
      (one) =>
        `${where}: ${one.id}: ${one.nodes.map((node) => `${node.html.slice(0, 120)} ${node.any[0]?.message ?? ''}`).join(' | ')}`,
    ),
    [],
  );
}

for (const [theme, context] of [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  [
    'phone',
    { colorScheme: 'light', viewport: { width: 360, height: 700 }, hasTouch: true, isMobile: true },
  ],
]) {
  test(`axe finds nothing: ${theme}`, async () => {
    const { page, close } = await open(server.url, {
      context: { reducedMotion: 'reduce', ...context },
    });
    await check(page, 'empty');
    await ask(page, 'What is 7 plus 5?');
    for (const view of VIEWS) {
      await page.evaluate((name) => {
        location.hash = name;
      }, view);
      await page.locator(`#${view}`).waitFor();
      if (view === 'compare') {
        await page.locator('#compare-prompt').fill('What is 7 plus 5?');
        await page.locator('#compare-run').click();
        await page.locator('.column .timings').filter({ hasText: 'tokens' }).nth(1).waitFor();
      }
      await check(page, view);
      const wide = await page.evaluate(
        () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
      );
      assert.ok(!wide, `${view} is wider than the window`);
    }
    await page.evaluate(() => {
      location.hash = 'chat';
    });
    await page.locator('#open-settings').click();
    await check(page, 'settings');
    await page.keyboard.press('Escape');
    if (theme === 'phone') {
      await page.locator('#menu').click();
      await page.locator('#sidebar').waitFor();
      await check(page, 'list');
      await page.locator('#close-menu').click();
    }
    await close();
  });
}

for (const [theme, context] of [
  ['light', { colorScheme: 'light' }],
  ['dark, narrow', { colorScheme: 'dark', viewport: { width: 360, height: 1100 } }],
]) {
  test(`axe finds nothing when something is going on: ${theme}`, async () => {
    let own = await serve('--lab', LAB);
    const { page, close } = await open(own.url, {
      expectErrors: /ERR_|status of [45]/,
      args: [
        '--use-fake-ui-for-media-stream',
        '--use-fake-device-for-media-stream',
        `--use-file-for-fake-audio-capture=${SILENCE}`,
      ],
      context: { reducedMotion: 'reduce', permissions: ['camera', 'microphone'], ...context },
    });
    await page.locator('#files').setInputFiles([
      { name: 'a.zip', mimeType: 'application/zip', buffer: Buffer.from('x') },
      { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('x') },
    ]);
    const media = ['shapes.png', 'spanish.wav'].map((name) => join(NANO, 'examples', name));
    await page.locator('#files').setInputFiles(media);
    await page.locator('.chip .note').filter({ hasText: /^\d+ tokens$/ }).nth(2).waitFor();
    await page.locator('#open-camera').click();
    await page.getByRole('button', { name: 'Live' }).click();
    await page.locator('#ears').click();
    await page.locator('#voice-text').filter({ hasText: 'Listening' }).waitFor();
    await check(page, 'files, camera and voice');
    await page.locator('#ears').click();
    await page.getByRole('button', { name: 'Close camera' }).click();
    await page.evaluate(() => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotFoundError'));
    });
    await page.locator('#open-camera').click();
    await page.locator('#ears').click();
    await page.locator('.error').filter({ hasText: 'No microphone' }).waitFor();
    await ask(page, 'What is 7 plus 5?');
    await page.locator('article.user').hover();
    await page.getByRole('button', { name: 'Edit question' }).click();
    await own.stop();
    await page.locator('#prompt').fill('Hello!');
    await page.keyboard.press('Enter');
    await page.locator('.waiting').filter({ hasText: 'asked again' }).waitFor();
    await check(page, 'errors, an edit, a server that is gone');
    own = await serve('--lab', LAB, '--port', String(own.port));
    await askNow(page);
    await answered(page);
    await page.route('**/v1/chat/completions', (route) => route.fulfill({ status: 500 }));
    await page.locator('#prompt').fill('Hello!');
    await page.keyboard.press('Enter');
    await page.locator('article .error').waitFor();
    await check(page, 'an answer that failed');
    await page.getByRole('link', { name: 'Transcribe' }).click();
    await page
      .locator('#recording-file')
      .setInputFiles({ name: 'x.txt', mimeType: 'text/plain', buffer: Buffer.from('x') });
    await page.locator('#transcribe-error .error').waitFor();
    await check(page, 'a file that is not transcribed');
    await page.getByRole('link', { name: 'Lab' }).click();
    await page.locator('.plot circle.current').waitFor();
    await check(page, 'a result of the lab');
    await page.route('**/page/info', (route) => route.fulfill({ status: 401, json: {} }));
    await page.reload();
    await page.getByRole('dialog', { name: 'Key' }).waitFor();
    await check(page, 'the key is asked for');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.locator('#notices .error').waitFor();
    await check(page, 'a notice');
    await close();
    await own.stop();
  });
}

test('everything can be reached and done by keyboard alone', async () => {
  const { page, close } = await open(server.url, { context: { reducedMotion: 'reduce' } });
  const focused = () =>
    page.evaluate(() => {
      const { activeElement: one } = document;
      return one.id || one.getAttribute('aria-label') || one.textContent.trim();
    });
  /** Tab until the named thing has the focus, which must be seen. */
  const tabTo = async (name) => {
    for (let i = 0; i < 60; ++i) {
      await page.keyboard.press('Tab');
      if ((await focused()) !== name) continue;
      const seen = await page.evaluate(() => {
        const { activeElement: one } = document;
        const look = () =>
          [one, one.closest('.composer')]
            .map((part) => part && getComputedStyle(part))
            .map((style) => style && [style.outline, style.borderColor, style.boxShadow].join())
            .join();
        const focused = look();
        one.blur();
        const plain = look();
        one.focus();
        return focused !== plain;
      });
      assert.ok(seen, `the focus on ${name} is not seen`);
      return;
    }
    assert.fail(`${name} was not reached`);
  };
  await tabTo('prompt');
  await page.keyboard.type('What is 7 plus 5?');
  await page.keyboard.press('Enter');
  await answered(page);
  await page.evaluate(() => document.activeElement.blur());
  await tabTo('Edit question');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Control+A');
  await page.keyboard.type('What is 3 plus 4?');
  await page.keyboard.press('Enter');
  await answered(page);
  await tabTo('Previous question');
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('article.user .said').innerText(), 'What is 7 plus 5?');
  await page.evaluate(() => document.activeElement.blur());
  await tabTo('Compare');
  await page.keyboard.press('Enter');
  await page.locator('#compare').waitFor();
  await tabTo('open-settings');
  await page.keyboard.press('Enter');
  await page.locator('dialog[open]').waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await focused(), 'open-settings');
  await close();
});

test('an answer is announced, and nothing moves for who wants that', async () => {
  const { page, close } = await open(server.url, { context: { reducedMotion: 'reduce' } });
  const answer = await ask(page, 'What is 7 plus 5?');
  assert.equal(await page.locator('#announcer').textContent(), `Answer: ${answer}`);
  const moves = await page.evaluate(() => {
    const dots = document.createElement('span');
    dots.className = 'dots';
    dots.append(document.createElement('i'));
    document.body.append(dots);
    return getComputedStyle(dots.firstChild).animationName;
  });
  assert.equal(moves, 'none');
  await close();
});
