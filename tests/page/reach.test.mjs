// SPDX-License-Identifier: Apache-2.0
// For everybody: axe finds nothing on any view, light or dark; the keyboard is enough; a phone too.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { answered, ask, open, serve } from './harness.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const VIEWS = ['chat', 'transcribe', 'compare', 'lab', 'connect'];

let server;
before(async () => {
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

test('everything can be reached and done by keyboard alone', async () => {
  const { page, close } = await open(server.url);
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
      const outline = await page.evaluate(() => {
        const { activeElement: one } = document;
        const composer = one.closest('.composer');
        return (
          getComputedStyle(one).outlineStyle !== 'none' ||
          (composer &&
            getComputedStyle(composer).borderColor !== getComputedStyle(document.body).borderColor)
        );
      });
      assert.ok(outline, `the focus on ${name} is not seen`);
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
