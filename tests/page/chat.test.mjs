// SPDX-License-Identifier: Apache-2.0
// A conversation: streamed, stopped, branched, kept, at several sizes, exported and imported.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { answered, ask, endless, likeliest, open, scratch, serve } from './harness.mjs';

let server, page, close;
before(async () => {
  server = await serve();
  ({ page, close } = await open(server.url));
  await likeliest(page);
});
after(async () => {
  await close?.();
  await server?.stop();
});

const newConversation = async () => {
  await page.getByRole('button', { name: 'New conversation' }).click();
  await page.locator('.welcome').waitFor();
};
const lastAnswer = () => page.locator('article.assistant').last();

test('an answer is streamed, and its timings stand under it', async () => {
  assert.equal(await ask(page, 'What is 7 plus 5?'), '12');
  assert.match(
    await lastAnswer().locator('.timings').innerText(),
    /^\d+ tokens, [\d.]+ tok\/s · prompt \d+.* · first word after \d+/,
  );
  assert.equal(await page.title(), 'nano · gemma3n');
});

test('Escape stops an answer, and what has come stays', async () => {
  await page.route('**/v1/chat/completions', endless);
  await page.locator('#prompt').fill('Hello!');
  await page.keyboard.press('Enter');
  await page.locator('article[aria-busy="true"] .body p:not(.waiting)').first().waitFor();
  await page.keyboard.press('Escape');
  await page.unroute('**/v1/chat/completions');
  assert.ok((await answered(page)).length > 0);
  assert.match(await lastAnswer().locator('.timings').innerText(), /stopped$/);
});

test('an edited question and a second answer are branches', async () => {
  await newConversation();
  await ask(page, 'What is 7 plus 5?');
  await page.locator('article.user').hover();
  await page.getByRole('button', { name: 'Edit question' }).click();
  await page.locator('.edit textarea').fill('What is 3 plus 4?');
  await page.keyboard.press('Enter');
  assert.equal(await answered(page), '7');
  const question = page.locator('article.user');
  assert.equal(await question.locator('.branch').innerText(), '2 / 2');
  await question.getByRole('button', { name: 'Previous question' }).click();
  assert.equal(await lastAnswer().locator('.body').innerText(), '12');
  await lastAnswer().getByRole('button', { name: 'Another answer' }).click();
  await answered(page);
  assert.equal(await lastAnswer().locator('.branch').innerText(), '2 / 2');
});

test('the size of the model can be changed in the middle', async () => {
  await newConversation();
  await ask(page, 'What is 7 plus 5?');
  const sizes = await page
    .locator('#size option')
    .evaluateAll((all) => all.map((one) => one.value));
  assert.ok(sizes.length >= 4, sizes.join());
  await page.locator('#size').selectOption(sizes[sizes.length - 1]);
  const [request] = await Promise.all([
    page.waitForRequest('**/v1/chat/completions'),
    ask(page, 'What is 3 plus 4?'),
  ]);
  assert.equal(request.postDataJSON().size, sizes[sizes.length - 1]);
  assert.equal(request.postDataJSON().messages.length, 3);
  assert.match(await lastAnswer().locator('.timings').innerText(), /layers/);
  await page.locator('#size').selectOption('full');
});

test('tokens are counted before they are sent', async () => {
  await newConversation();
  await page.locator('#prompt').fill('What is 7 plus 5?');
  await page.locator('#count').filter({ hasText: 'tokens to send' }).waitFor();
  const counted = await (
    await fetch(`${server.url}/tokenize`, {
      method: 'POST',
      body: JSON.stringify({ content: 'What is 7 plus 5?' }),
    })
  ).json();
  assert.equal(await page.locator('#count').innerText(), `${counted.tokens.length} tokens to send`);
  const before = await page.locator('#context-text').innerText();
  assert.match(before, /^[\d,]+ of 2,048 tokens$/);
  const { usage } = await (
    await fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ messages: [{ role: 'user', content: 'What is 7 plus 5?' }] }),
    })
  ).json();
  assert.equal(Number(before.split(' ')[0]), usage.prompt_tokens);
});

test('what is typed stays over a reload', async () => {
  await ask(page, 'What is 3 plus 4?');
  await page.locator('#prompt').fill('Not sent yet');
  await page.waitForTimeout(400);
  await page.reload();
  await page.locator('#size:not([disabled])').waitFor();
  await page.waitForFunction(() => document.getElementById('prompt').value === 'Not sent yet');
  assert.equal(await lastAnswer().locator('.body').innerText(), '7');
  await page.locator('#prompt').fill('');
});

test('conversations are found, renamed and deleted', async () => {
  await newConversation();
  await ask(page, 'Repeat: red ball green hat');
  const list = page.locator('#conversations');
  await page.locator('#search').fill('green hat');
  await list.locator('li').nth(1).waitFor({ state: 'detached' });
  assert.equal(await list.locator('li').count(), 1);
  await list.locator('li').hover();
  await list.getByRole('button', { name: /^Rename/ }).click();
  await page.getByLabel('Title').fill('About a hat');
  await page.keyboard.press('Enter');
  await list.getByText('About a hat', { exact: true }).waitFor();
  await page.locator('#search').fill('');
  const count = await list.locator('li').count();
  await list.locator('li').first().hover();
  await list.getByRole('button', { name: 'Delete About a hat' }).click();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await list.getByText('About a hat', { exact: true }).waitFor({ state: 'detached' });
  assert.equal(await list.locator('li').count(), count - 1);
});

test('a system prompt goes in front', async () => {
  await newConversation();
  await page.locator('#open-settings').click();
  await page.getByLabel('System prompt').fill('Answer briefly.');
  await page.getByRole('button', { name: 'Done' }).click();
  const [request] = await Promise.all([
    page.waitForRequest('**/v1/chat/completions'),
    ask(page, 'Hello!'),
  ]);
  assert.deepEqual(request.postDataJSON().messages[0], {
    role: 'system',
    content: 'Answer briefly.',
  });
  assert.equal(request.postDataJSON().temperature, 0);
});

test('a conversation is exported, and imported again', async () => {
  await newConversation();
  await page
    .locator('#files')
    .setInputFiles({ name: 'note.txt', mimeType: 'text/plain', buffer: Buffer.from('a boat') });
  await page.locator('#attachments .note').filter({ hasText: 'tokens' }).waitFor();
  await ask(page, 'What is 7 plus 5?');
  await page.locator('.files summary').click();
  const save = async (name) => {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name }).click(),
    ]);
    const path = join(scratch, download.suggestedFilename());
    await download.saveAs(path);
    return path;
  };
  const markdown = readFileSync(await save('This one as Markdown'), 'utf8');
  assert.match(
    markdown,
    /^# What is 7 plus 5\?\n\n## You\n\n\*\[text: note\.txt\]\*\n\nWhat is 7 plus 5\?\n\n## Answer\n\n/,
  );
  const json = await save('This one as JSON');
  const count = await page.locator('#conversations li').count();
  await page.locator('#import-file').setInputFiles(json);
  await page.waitForFunction(
    (before) => document.querySelectorAll('#conversations li').length === before + 1,
    count,
  );
  assert.equal(await page.locator('article.user .said').innerText(), 'What is 7 plus 5?');
  const broken = join(scratch, 'broken.json');
  writeFileSync(broken, readFileSync(json, 'utf8').replace('"role": "user"', '"role": "system"'));
  await page.locator('#import-file').setInputFiles(broken);
  await page.getByRole('dialog', { name: 'It cannot be imported' }).waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#conversations li').count(), count + 1);
});
