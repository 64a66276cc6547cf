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
