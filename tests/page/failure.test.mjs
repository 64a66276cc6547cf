// SPDX-License-Identifier: Apache-2.0
// The server gone, busy, or refusing: the page says so, asks again, and loses nothing.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { answered, ask, askNow, endless, likeliest, NANO, open, serve } from './harness.mjs';

let server, page, close;
before(async () => {
  server = await serve();
  ({ page, close } = await open(server.url, { expectErrors: /Failed to load resource|ERR_/ }));
  await likeliest(page);
});
after(async () => {
  await close?.();
  await server?.stop();
});

test('the server is lost and comes back: what was typed is kept, and is asked again', async () => {
  assert.equal(await ask(page, 'What is 7 plus 5?'), '12');
  await page.locator('article.user').hover();
  await page.getByRole('button', { name: 'Edit question' }).click();
  await page.locator('.edit textarea').fill('a better question');
  await server.stop();
  await page.locator('#prompt').fill('What is 3 plus 4?');
  await page.keyboard.press('Enter');
  await page.locator('#banner').filter({ hasText: 'The server is gone' }).waitFor();
  await page.locator('.waiting').filter({ hasText: 'will be asked again' }).waitFor();
  await page.locator('#prompt').fill('half a thought');
  // What changes each second is said once.
  assert.equal(await page.locator('#banner').getAttribute('role'), null);
  assert.match(await page.locator('#announcer').textContent(), /The server is gone/);
  await page.locator('.edit textarea').focus();
  server = await serve('--port', String(server.port));
  const facts = page.waitForResponse('**/page/info');
  await askNow(page);
  await facts;
  assert.equal(await answered(page), '7');
  assert.equal(await page.locator('#banner').innerText(), '');
  assert.equal(await page.locator('.edit textarea').inputValue(), 'a better question');
  await page.getByRole('button', { name: 'Cancel' }).click();
  assert.equal(await page.locator('#prompt').inputValue(), 'half a thought');
  await page.locator('#prompt').fill('');
});

test('it is asked again without being told to, after growing delays', async () => {
  await server.stop();
  await page.locator('#prompt').fill('What is 7 plus 5?');
  await page.keyboard.press('Enter');
  await page
    .locator('#banner')
    .filter({ hasText: /again in [12] s/ })
    .waitFor();
  await page
    .locator('#banner')
    .filter({ hasText: /again in 4 s/ })
    .waitFor();
  server = await serve('--port', String(server.port));
  assert.equal(await answered(page), '12');
});

test('an answer that breaks off keeps what has come, and can be asked for again', async () => {
  await page.route('**/v1/chat/completions', endless);
  await page.locator('#prompt').fill('Hello!');
  await page.keyboard.press('Enter');
  await page.locator('article[aria-busy="true"] .body p:not(.waiting)').first().waitFor();
  await server.stop();
  const last = page.locator('article.assistant').last();
  await last.locator('.error').filter({ hasText: 'server_gone' }).waitFor();
  assert.ok((await last.locator('.body p').first().innerText()).length > 0);
  await page.unroute('**/v1/chat/completions');
  server = await serve('--port', String(server.port));
  await askNow(page);
  await page.locator('#banner p').waitFor({ state: 'detached' });
  await last.getByRole('button', { name: 'Retry' }).click();
  assert.ok((await answered(page)).length > 0);
});

test('a busy server is asked again after as long as it says', async () => {
  let refused = 0;
  await page.route('**/v1/chat/completions', (route) => {
    if (refused++ >= 2) return route.continue();
    return route.fulfill({
      status: 429,
      headers: { 'Retry-After': '1' },
      contentType: 'application/json',
      body: JSON.stringify({
        error: { message: '32 requests wait', type: 'rate_limit_error', code: 'server_busy' },
      }),
    });
  });
  await page.locator('#prompt').fill('What is 3 plus 4?');
  await page.keyboard.press('Enter');
  await page
    .locator('.waiting')
    .filter({ hasText: 'The server is busy. Asking again in 1 s.' })
    .waitFor();
  assert.equal(await answered(page), '7');
  assert.equal(refused, 3);
  await page.unroute('**/v1/chat/completions');
});

test('transcribe and compare wait for a server that is gone or busy, too', async () => {
  await page.getByRole('link', { name: 'Transcribe' }).click();
  await server.stop();
  await page.locator('#recording-file').setInputFiles(join(NANO, 'examples/film.mp4'));
  await page.locator('#transcribe-note').filter({ hasText: 'Waiting for the server' }).waitFor();
  server = await serve('--port', String(server.port));
  await askNow(page);
  await page.locator('#transcribe-note').filter({ hasText: 'film.mp4: 1 lines' }).waitFor();
  let refused = 0;
  await page.route('**/v1/chat/completions', (route) =>
    refused++
      ? route.continue()
      : route.fulfill({
          status: 429,
          headers: { 'Retry-After': '1' },
          json: { error: { message: 'requests wait', code: 'server_busy' } },
        }),
  );
  await page.getByRole('link', { name: 'Compare' }).click();
  await page.locator('#compare-prompt').fill('What is 7 plus 5?');
  await page.keyboard.press('Enter');
  await page.locator('.output').filter({ hasText: 'The server is busy.' }).waitFor();
  await page.locator('.column .timings').filter({ hasText: 'tokens' }).nth(1).waitFor();
  await page.unroute('**/v1/chat/completions');
  await page.route('**/v1/chat/completions', (route) => route.fulfill({ status: 500 }));
  await page.locator('#compare-run').click();
  await page.locator('.column .error').nth(1).waitFor();
  await page.unroute('**/v1/chat/completions');
  await page.locator('.column').first().getByRole('button', { name: 'Retry' }).click();
  await page.locator('.column').first().locator('.timings').filter({ hasText: 'tokens' }).waitFor();
  await page.getByRole('link', { name: 'Chat' }).click();
});

test('a slow server: the page says for how long it has been waiting', async () => {
  await page.route('**/v1/chat/completions', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 4200));
    await route.continue();
  });
  await page.locator('#prompt').fill('What is 3 plus 4?');
  await page.keyboard.press('Enter');
  await page
    .locator('.waiting')
    .filter({ hasText: /Reading the question … \d s/ })
    .waitFor();
  assert.equal(await answered(page), '7');
  await page.unroute('**/v1/chat/completions');
});

test('a refusal is shown with its code, and its details can be copied', async () => {
  await page.locator('#open-settings').click();
  await page.getByLabel('Size by hand').fill('ffn=9999999');
  await page.getByLabel('Size by hand').blur();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.locator('#prompt').fill('Hello!');
  await page.keyboard.press('Enter');
  const error = page.locator('article.assistant').last().locator('.error');
  await error.filter({ hasText: 'invalid_value' }).waitFor();
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await error.getByRole('button', { name: 'Copy details' }).click();
  const details = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
  assert.equal(details.code, 'invalid_value');
  assert.equal(details.status, 400);
  assert.match(details.request, /^[0-9a-f]{16}$/);
  await page.locator('#size').selectOption('full');
});
