// SPDX-License-Identifier: Apache-2.0
// Servers that want a key: asked for, or taken from the address that a QR code holds.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ask, launch, scratch, serve } from './harness.mjs';

const KEYS = join(scratch, 'keys');
let server, browser;
before(async () => {
  writeFileSync(KEYS, 'open sesame\n');
  server = await serve('--api-key-file', KEYS);
  browser = await launch();
});
after(() => server?.stop());

const ready = (page) => page.locator('#size:not([disabled])').waitFor();
const kept = (page) =>
  page.evaluate(() => JSON.stringify([{ ...localStorage }, document.cookie, location.href]));

test('the key is asked for, a wrong one is refused, and the right one stays in a cookie alone', async () => {
  const page = await (await browser.newContext()).newPage();
  let refuse; // a request from before the key, which is refused after it
  await page.route(
    '**/page/count',
    async (route) => {
      await new Promise((resolve) => {
        refuse = resolve;
      });
      await route.fulfill({ status: 401, json: {} });
    },
    { times: 1 },
  );
  await Promise.all([page.waitForRequest('**/page/count'), page.goto(server.url)]);
  const dialog = page.getByRole('dialog', { name: 'Key' });
  await dialog.getByLabel('Key').fill('wrong');
  await dialog.getByRole('button', { name: 'Go on' }).click();
  await dialog.getByText('This is not one of the server’s keys.').waitFor();
  await dialog.getByLabel('Key').fill('open sesame');
  await page.keyboard.press('Enter');
  await ready(page);
  refuse();
  await page.waitForResponse((response) => response.url().endsWith('count') && response.ok());
  assert.equal(await dialog.count(), 0);
  assert.ok((await ask(page, 'What is 7 plus 5?')).length > 0);
  assert.ok(!(await kept(page)).includes('sesame'));
  await page.reload();
  await ready(page);
  assert.equal(await page.getByRole('dialog').count(), 0);
  await page.context().close();
});

test('the key of an address is taken and leaves the address', async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${server.url}/#key=open%20sesame`);
  await ready(page);
  assert.equal(page.url(), `${server.url}/`);
  assert.ok(!(await kept(page)).includes('sesame'));
  assert.ok(!server.log().includes('sesame'));
  await page.context().close();
});

test('a key that cannot be read leaves the page as without one', async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${server.url}/#key=%`);
  await page.getByRole('dialog', { name: 'Key' }).waitFor();
  assert.equal(page.url(), `${server.url}/`);
  await page.context().close();
});

test('a key that is not given: the page says so and asks nothing on its own', async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(server.url);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.locator('#notices .error').filter({ hasText: /key/ }).waitFor();
  await page.getByRole('button', { name: 'Retry' }).click();
  await page.getByRole('dialog', { name: 'Key' }).waitFor();
  await page.context().close();
});

test('on a network: https, and a QR code that holds the address and the key', async () => {
  const lan = await serve('--lan', '--state-directory', join(scratch, 'state'));
  const [, key] = /Clients need this key: (\S+)/.exec(lan.greeting());
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  await page.goto(`${lan.url}/#key=${key}`);
  await ready(page);
  const info = await page.evaluate(async () => (await fetch('/page/info')).json());
  assert.equal(info.needs_key, true);
  assert.ok((await ask(page, 'What is 7 plus 5?')).length > 0);
  await page.getByRole('link', { name: 'Connect' }).click();
  // The examples trust the server's own certificate, which they get from here.
  const code = await page.locator('#snippets pre').allInnerTexts();
  assert.ok(code[0].startsWith('# SSL_CERT_FILE=certificate.pem python'), code[0]);
  assert.ok(code[3].includes(' --cacert certificate.pem'), code[3]);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'certificate.pem' }).click(),
  ]);
  const ca = readFileSync(await download.path());
  const status = await new Promise((resolve, reject) =>
    get(`${lan.url}/health`, { ca }, (response) => resolve(response.statusCode)).on('error', reject),
  );
  assert.equal(status, 200);
  if (info.qr) {
    // a machine without a network has no such address
    await page.waitForFunction(() => document.querySelector('img.qr')?.naturalWidth > 0);
  }
  await page.context().close();
  await lan.stop();
});
