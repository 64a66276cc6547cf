// SPDX-License-Identifier: Apache-2.0
// What the browser keeps: over reloads, between tabs, when something is deleted, broken or full.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { answered, ask, open, serve, streamed, words } from './harness.mjs';

const COMPLETIONS = '/v1/chat/completions';
let server, browser, close;
before(async () => {
  server = await serve();
  ({ browser, close } = await open(server.url));
});
after(async () => {
  await close?.();
  await server?.stop();
});

const ready = (page) => page.locator('#size:not([disabled])').waitFor();

/** A page that knows nothing yet. */
async function fresh() {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(15000);
  const page = await context.newPage();
  await page.goto(server.url);
  await ready(page);
  return page;
}

/** All that is kept under this name. */
const kept = (page, name) =>
  page.evaluate(
    (store) =>
      new Promise((resolve) => {
        indexedDB.open('gemma3n', 1).onsuccess = ({ target }) => {
          const asked = target.result.transaction(store).objectStore(store).getAll();
          asked.onsuccess = () => resolve(asked.result);
        };
      }),
    name,
  );

async function until(holds) {
  for (let i = 0; i < 100; ++i) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`never: ${holds}`);
}

test('what is typed in a new conversation stays, however often the page is loaded', async () => {
  const page = await fresh();
  for (const text of ['half a', 'half a thought']) {
    await page.locator('#prompt').fill(text);
    await until(async () => (await kept(page, 'drafts')).some((one) => one.text === text));
    await page.reload();
    await ready(page);
    await page.waitForFunction(
      (typed) => document.getElementById('prompt').value === typed,
      text,
    );
  }
  assert.equal((await kept(page, 'drafts')).length, 1);
  await ask(page, 'What is 7 plus 5?');
  await page.getByRole('button', { name: 'New conversation' }).click();
  await page.locator('#prompt').fill('another');
  await page.locator('#conversations button').first().click(); // before it was kept by itself
  await page.locator('article').first().waitFor();
  await page.getByRole('button', { name: 'New conversation' }).click();
  await page.waitForFunction(() => document.getElementById('prompt').value === 'another');
  await page.context().close();
});

test('the first conversation is shown again', async () => {
  const page = await fresh();
  await ask(page, 'What is 7 plus 5?');
  await page.reload();
  await ready(page);
  await page.locator('article.assistant').waitFor();
  await page.context().close();
});

test('two tabs add to one conversation, and neither loses what the other said', async () => {
  const page = await fresh();
  await streamed(page, COMPLETIONS, words('one'), { ms: 1 });
  await ask(page, 'first');
  const other = await page.context().newPage();
  await other.goto(server.url);
  await ready(other);
  await other.locator('.timings').waitFor();
  await streamed(other, COMPLETIONS, words('two'), { ms: 1 });
  await ask(page, 'in tab one');
  await ask(other, 'in tab two');
  const texts = async () => {
    const [conversation] = await kept(page, 'conversations');
    return conversation.messages.map((one) => one.text);
  };
  await until(async () => (await texts()).length === 6);
  assert.deepEqual(await texts(), ['first', 'one', 'in tab one', 'one', 'in tab two', 'two']);
  // A new one that both have begun becomes two.
  for (const tab of [page, other])
    await tab.getByRole('button', { name: 'New conversation' }).click();
  await ask(page, 'here');
  await ask(other, 'there');
  await until(async () => (await kept(page, 'conversations')).length === 3);
  await page.context().close();
});

test('a conversation that is deleted while it is answered stays deleted', async () => {
  const page = await fresh();
  await streamed(page, COMPLETIONS, words('on ', 'and '), { endless: true });
  await page.locator('#prompt').fill('Hello!');
  await page.keyboard.press('Enter');
  await page.locator('article[aria-busy="true"] .body p:not(.waiting)').waitFor();
  await page.locator('#conversations li').hover();
  await page.getByRole('button', { name: 'Delete Hello!' }).click();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.locator('#conversations li').waitFor({ state: 'detached' });
  await page.waitForTimeout(200);
  assert.deepEqual(await kept(page, 'conversations'), []);
  assert.deepEqual(await kept(page, 'drafts'), []);
  await page.context().close();
});

test('a page that is left in the middle of an answer has what had come', async () => {
  const page = await fresh();
  await streamed(page, COMPLETIONS, words(...'it goes on and on and on'.split(/(?<= )/)), {
    ms: 350,
    endless: true,
  });
  await page.locator('#prompt').fill('Hello!');
  await page.keyboard.press('Enter');
  await until(async () => (await kept(page, 'drafts')).length > 0);
  await page.reload();
  await ready(page);
  assert.match(await page.locator('article.assistant .body').innerText(), /^it goes on/);
  assert.deepEqual(await kept(page, 'drafts'), []);
  await page.context().close();
});

test('a conversation that cannot be shown leaves the page alive, and says so', async () => {
  const page = await fresh();
  await ask(page, 'What is 7 plus 5?');
  await page.evaluate(
    () =>
      new Promise((resolve) => {
        indexedDB.open('gemma3n', 1).onsuccess = ({ target }) => {
          const store = target.result
            .transaction('conversations', 'readwrite')
            .objectStore('conversations');
          store.getAll().onsuccess = (got) => {
            const [one] = got.target.result;
            one.messages[1].timings = { decode_tps: '5' };
            store.put(one).onsuccess = resolve;
          };
        };
      }),
  );
  await page.reload();
  await ready(page);
  await page.locator('#notices').getByText('not_shown').waitFor();
  await page.locator('.welcome').waitFor();
  assert.match(await ask(page, 'What is 3 plus 4?'), /./);
  await page.context().close();
});

test('a browser without room says so, and the conversation goes on', async () => {
  const page = await fresh();
  await page.evaluate(() => {
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (value) {
      const asked = put.call(this, value);
      this.transaction.abort();
      return asked;
    };
  });
  await ask(page, 'What is 7 plus 5?');
  const notice = page.locator('#notices .error');
  await notice.filter({ hasText: 'no room' }).waitFor();
  assert.match(await ask(page, 'What is 3 plus 4?'), /./);
  assert.equal(await notice.count(), 1);
  await notice.getByRole('button', { name: 'Close' }).click();
  await page.context().close();
});

test('a size of another model is not asked of this one', async () => {
  const page = await fresh();
  const sizes = await page.locator('#size option').evaluateAll((all) => all.map((one) => one.value));
  await page.locator('#size').selectOption(sizes[1]);
  await page.getByRole('link', { name: 'Compare' }).click();
  await page.locator('.column').first().getByLabel('Size').selectOption(sizes[1]);
  await page.getByRole('link', { name: 'Chat' }).click();
  await ask(page, 'What is 7 plus 5?');
  await page.getByRole('button', { name: 'New conversation' }).click();
  await page.route('**/page/info', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ json: { ...(await response.json()), model: 'other', size: 'full' } });
  });
  await page.reload();
  await ready(page);
  assert.equal(await page.locator('#size').inputValue(), 'full');
  await page.locator('#conversations button').first().click();
  await page.locator('article').first().waitFor();
  const [request] = await Promise.all([
    page.waitForRequest(`**${COMPLETIONS}`),
    ask(page, 'What is 3 plus 4?'),
  ]);
  assert.equal(request.postDataJSON().size, undefined);
  await page.getByRole('link', { name: 'Compare' }).click();
  assert.equal(await page.locator('.column').first().getByLabel('Size').inputValue(), 'full');
  await page.context().close();
});

test('answers are read aloud, each of them', async () => {
  const page = await fresh();
  await page.evaluate(() => {
    window.read = [];
    let speaking = false;
    Object.defineProperty(window, 'speechSynthesis', {
      value: {
        get speaking() {
          return speaking;
        },
        cancel() {
          speaking = false;
        },
        speak({ text }) {
          speaking = true;
          window.read.push(text);
        },
      },
    });
  });
  await page.locator('#open-settings').click();
  await page.getByLabel('Read answers aloud').check();
  await page.getByRole('button', { name: 'Done' }).click();
  for (const text of ['one', 'two', 'three']) {
    await streamed(page, COMPLETIONS, words(text), { ms: 1 });
    await ask(page, 'Hello!');
    await answered(page);
  }
  assert.deepEqual(await page.evaluate(() => window.read), ['one', 'two', 'three']);
  await page.context().close();
});
