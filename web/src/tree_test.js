// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as tree from './tree.js';

function twoAnswers() {
  const conversation = tree.newConversation();
  const question = tree.add(conversation, null, { role: 'user', text: 'q' });
  const first = tree.add(conversation, question.id, { role: 'assistant', text: 'a1' });
  const next = tree.add(conversation, first.id, { role: 'user', text: 'q2' });
  const second = tree.add(conversation, question.id, { role: 'assistant', text: 'a2' });
  return { conversation, question, first, next, second };
}
const texts = (messages) => messages.map((message) => message.text);

test('the newest branch is shown, and turning brings back what followed the other', () => {
  const { conversation, first, second } = twoAnswers();
  assert.deepEqual(texts(tree.path(conversation)), ['q', 'a2']);
  assert.deepEqual(tree.branch(conversation, second), { index: 1, count: 2 });
  assert.equal(tree.turn(conversation, second, -1), first);
  assert.deepEqual(texts(tree.path(conversation)), ['q', 'a1', 'q2']);
  assert.equal(tree.turn(conversation, first, -1), first);
});

test('an edited first question is a branch at the root', () => {
  const { conversation, question } = twoAnswers();
  const other = tree.add(conversation, null, { role: 'user', text: 'other' });
  assert.deepEqual(texts(tree.path(conversation)), ['other']);
  assert.equal(tree.turn(conversation, other, -1), question);
  assert.deepEqual(texts(tree.path(conversation)), ['q', 'a2']);
});

test('what two tabs added to a conversation is in both, and objects stay the same', () => {
  const { conversation: ours, question, second } = twoAnswers();
  const kept = structuredClone(ours);
  const answer = tree.add(ours, second.id, { role: 'user', text: 'mine' });
  tree.add(kept, second.id, { role: 'user', text: 'theirs' });
  kept.messages[3].text = 'a2 and more';
  kept.messages[0].transcript = 'heard';
  Object.assign(kept, { title: 'named', titled: true });
  assert.equal(tree.merge(ours, kept), true);
  assert.deepEqual(texts(ours.messages), ['q', 'a1', 'q2', 'a2 and more', 'theirs', 'mine']);
  assert.equal(ours.messages[0], question);
  assert.equal(question.transcript, 'heard');
  assert.equal(ours.title, 'named');
  assert.equal(tree.path(ours).at(-1), answer);
  assert.equal(tree.merge(ours, structuredClone(ours)), false);
});

test('what was removed here does not come back from what is kept, unless somebody asked below it', () => {
  const { conversation, first, second } = twoAnswers();
  const kept = structuredClone(conversation);
  tree.remove(conversation, second.id);
  tree.merge(conversation, kept);
  assert.ok(!texts(conversation.messages).includes('a2'));
  tree.remove(conversation, first.id);
  tree.merge(conversation, kept);
  assert.ok(texts(conversation.messages).includes('a1'));
});

test('what is asked is the way to the message, not what is shown', () => {
  const { conversation, next } = twoAnswers();
  assert.deepEqual(texts(tree.pathTo(conversation, next.id)), ['q', 'a1', 'q2']);
});

test('a removed message takes along what follows it', () => {
  const { conversation, first } = twoAnswers();
  tree.remove(conversation, first.id);
  assert.deepEqual(texts(conversation.messages), ['q', 'a2']);
});

test('titles are short and of one line', () => {
  assert.equal(tree.titleFrom('  Hello there \n more'), 'Hello there');
  assert.equal(tree.titleFrom('', [{ name: 'cat.png' }]), 'cat.png');
  assert.ok(tree.titleFrom('word '.repeat(40)).length <= 60);
});
