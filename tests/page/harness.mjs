// SPDX-License-Identifier: Apache-2.0
// The page under test: a server of its own with the embedded model, and a browser that looks at it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const NANO = join(ROOT, 'models/nano');
const { GEMMA3N, CHROMIUM = '/usr/bin/chromium' } = process.env;

/** A directory that is gone when the tests are. */
export const scratch = mkdtempSync(join(tmpdir(), 'gemma3n-page-'));
const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
});
// A test that hangs holds up nobody.
setTimeout(() => {
  console.error('the tests of this file took too long');
  process.exit(1);
}, 240_000).unref();

/** `gemma3n serve` on a port: {url, port, stop(), log(), greeting()}. */
export function serve(...options) {
  const at = options.includes('--port') ? [] : ['--port', '0'];
  const child = spawn(GEMMA3N, ['serve', '-m', NANO, ...at, ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let out = '';
  let log = '';
  const stop = () =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.on('exit', resolve);
      child.kill('SIGKILL');
    });
  child.stderr.on('data', (piece) => {
    log += piece;
  });
  return new Promise((resolve, reject) => {
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${log}`)));
    child.stdout.on('data', (piece) => {
      out += piece;
      const found = /https?:\/\/127\.0\.0\.1:(\d+)/.exec(out);
      if (found && out.includes('Ctrl-C'))
        resolve({
          url: found[0],
          port: Number(found[1]),
          stop,
          log: () => log,
          greeting: () => out,
        });
    });
  });
}

const browsers = [];
// Also those of a test that failed; one that is open would keep the tests from ending.
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(browsers.map((browser) => browser.close()));
});

/** A browser that nobody watches. */
export async function launch(args = []) {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', ...args],
  });
  browsers.push(browser);
  return browser;
}

/**
 * A browser of its own, whose page complains of every error on its console and of every request
 * that goes elsewhere.
 * @param {string} url
 * @param {{args?: string[], context?: object, expectErrors?: RegExp}} [options] `expectErrors`:
 *   lines of the console that belong to the test
 */
export async function open(
  url,
  { args = [], context: contextOptions = {}, expectErrors = null } = {},
) {
  const browser = await launch(args);
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    ...contextOptions,
  });
  const page = await context.newPage();
  context.setDefaultTimeout(15000);
  const complaints = [];
  page.on('console', (message) => {
    const text = `${message.text()} ${message.location().url}`;
    if (message.type() === 'error' && !expectErrors?.test(text)) complaints.push(text);
  });
  page.on('pageerror', (error) => complaints.push(String(error.stack)));
  const elsewhere = [];
  context.on('request', (request) => {
    const to = new URL(request.url());
    if (to.origin !== url && !['blob:', 'data:'].includes(to.protocol))
      elsewhere.push(request.url());
  });
  await page.goto(url);
  await page.locator('#size:not([disabled])').waitFor();
  const close = async () => {
    await browser.close();
    assert.deepEqual(complaints, [], 'the console has errors');
    assert.deepEqual(elsewhere, [], 'requests left the page');
  };
  return { browser, context, page, close };
}

/** For page.route: answers go on until the context is full, since the tokens that end one are barred. */
export function endless(route) {
  const body = { ...route.request().postDataJSON(), logit_bias: { 1: -100, 7: -100 } };
  return route.continue({ postData: JSON.stringify(body) });
}

/**
 * Answers come piece by piece from the page's own fetch: these events, one after so many ms, then
 * the end, or none where `endless`.
 */
export function streamed(page, path, events, { ms = 100, endless: open_ = false } = {}) {
  return page.evaluate(
    ([wanted, frames, pause, unending]) => {
      const real = (window.realFetch ??= window.fetch);
      window.fetch = (to, options) => {
        if (to !== wanted) return real(to, options);
        const encoder = new TextEncoder();
        const body = new ReadableStream({
          async start(stream) {
            options.signal?.addEventListener('abort', () =>
              stream.error(new DOMException('stopped', 'AbortError')),
            );
            for (const frame of frames) {
              stream.enqueue(encoder.encode(`data: ${JSON.stringify(frame)}\n\n`));
              await new Promise((resolve) => setTimeout(resolve, pause));
              if (options.signal?.aborted) return;
            }
            if (!unending) stream.close();
          },
        });
        return Promise.resolve(new Response(body));
      };
    },
    [path, events, ms, open_],
  );
}

/** Presses "Ask now", unless the page has found the server by itself. */
export const askNow = (page) =>
  page.evaluate(() => /** @type {any} */ (document.querySelector('#banner button'))?.click());

/** Events of an answer of these words. */
export const words = (...all) =>
  all.map((content) => ({ choices: [{ index: 0, delta: { content } }] }));

/** Types a question, sends it and waits for the answer's text. */
export async function ask(page, text) {
  await page.locator('#prompt').fill(text);
  await page.keyboard.press('Enter');
  return answered(page);
}

/** The text of the last answer, once it has ended. */
export async function answered(page) {
  await page.locator('#send').waitFor();
  const last = page.locator('article.assistant').last();
  await last.locator('.timings').waitFor();
  return (await last.locator('.body').innerText()).trim();
}

/** Settings for answers that can be foretold. */
export async function likeliest(page) {
  await page.locator('#open-settings').click();
  await page.getByLabel('Temperature').fill('0');
  await page.getByLabel('Temperature').blur();
  await page.getByRole('button', { name: 'Done' }).click();
}
