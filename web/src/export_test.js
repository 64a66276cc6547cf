// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blobOf, dataUri, fileName, fromJson, toJson, toMarkdown } from './export.js';
import * as tree from './tree.js';

function sample() {
  const conversation = tree.newConversation({ system: 'Be brief.', temperature: 0 });
  conversation.title = 'A picture';
  const blob = new Blob([Uint8Array.from({ length: 70000 }, (_, i) => i % 256)], {
    type: 'image/png',
  });
  const question = tree.add(conversation, null, {
    role: 'user',
    text: 'What?',
    attachments: [{ kind: 'image', name: 'a.png', type: 'image/png', blob, tokens: 16 }],
  });
  tree.add(conversation, question.id, { role: 'assistant', text: 'A cat.', size: 'full' });
  tree.add(conversation, question.id, { role: 'assistant', text: 'A dog.' });
  conversation.chosen[question.id] = conversation.messages[1].id;
  return conversation;
}

test('what was exported comes back, branches and bytes', async () => {
  const before = sample();
  const [after] = fromJson(await toJson([before]));
  assert.notEqual(after.id, before.id);
  assert.deepEqual(
    tree.path(after).map((one) => one.text),
    ['What?', 'A cat.'],
  );
  assert.equal(after.messages.length, 3);
  assert.deepEqual(after.settings, before.settings);
  const [picture] = after.messages[0].attachments;
  assert.equal(picture.tokens, 16);
  assert.deepEqual(
    await picture.blob.arrayBuffer(),
    await before.messages[0].attachments[0].blob.arrayBuffer(),
  );
});

test('what is no export is refused, with a reason', async () => {
  const good = JSON.parse(await toJson([sample()]));
  const broken = (change) => {
    const copy = structuredClone(good);
    change(copy.conversations[0], copy);
    return JSON.stringify(copy);
  };
  for (const text of [
    '',
    '[]',
    'null',
    '{"format":"x"}',
    broken((one, all) => {
      all.format = 'other';
    }),
    broken((one) => {
      one.messages[0].role = 'system';
    }),
    broken((one) => {
      one.messages[0].text = 7;
    }),
    broken((one) => {
      one.messages[1].id = one.messages[0].id;
    }),
    broken((one) => {
      one.messages[0].parent = one.messages[1].id;
    }),
    broken((one) => {
      one.messages[0].attachments[0].kind = 'script';
    }),
    broken((one) => {
      one.messages[0].attachments[0].data = 'https://example.org/a.png';
    }),
  ]) {
    assert.throws(() => fromJson(text), undefined, text.slice(0, 60));
  }
});

test('of an import only what is known is taken, of the type it has here', async () => {
  const all = JSON.parse(await toJson([sample()]));
  const [one] = all.conversations;
  Object.assign(one.messages[1], {
    usage: { completion_tokens: 3, prompt_tokens: {}, prompt_tokens_details: 'x' },
    timings: { decode_tps: '5', prefill_tps: 7, more: 1 },
    error: { code: 'gone', message: 5 },
    finish: ['stop'],
    firstWordMs: null,
    html: '<b>',
  });
  one.settings = { temperature: '1', top_p: 0.5, stop: 'x', system: 7, size: 'full', more: 1 };
  const [found] = fromJson(JSON.stringify(all));
  const { id, parent, role, text, at, size, ...rest } = found.messages[1];
  assert.deepEqual(rest, {
    usage: { completion_tokens: 3 },
    timings: { prefill_tps: 7 },
    error: { code: 'gone' },
  });
  assert.deepEqual(found.settings, { top_p: 0.5, size: 'full' });
  for (const wrong of [5, 'x', { a: 1 }]) {
    one.messages = wrong;
    assert.throws(() => fromJson(JSON.stringify(all)), /expected a list/);
  }
});

test('Markdown has the path that is shown', () => {
  const text = toMarkdown(sample());
  assert.match(
    text,
    /^# A picture\n\n\*System:\* Be brief\.\n\n## You\n\n\*\[image: a\.png\]\*\n\nWhat\?\n\n## Answer\n\nA cat\.\n$/,
  );
});

test('data URIs there and back', async () => {
  assert.equal(
    await dataUri(new Blob(['hi'], { type: 'text/plain' })),
    'data:text/plain;base64,aGk=',
  );
  assert.equal(await blobOf('data:text/plain;base64,aGk=').text(), 'hi');
  for (const bad of ['aGk=', 'data:text/plain,hi', 'data:;base64,a b', 'javascript:alert(1)'])
    assert.throws(() => blobOf(bad));
});

test('names of files', () => {
  assert.equal(fileName('What is 7 + 5?', 'json'), 'What-is-7-5.json');
  assert.equal(fileName('../..', 'md'), 'conversation.md');
});
