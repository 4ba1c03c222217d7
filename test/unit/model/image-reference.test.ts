import { expect, test } from 'vitest';
import { parseImageReference } from '#model/image-reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test.each([
  ['nginx', { registry: 'docker.io', path: 'library/nginx', name: 'nginx', tag: 'latest' }],
  ['nginx:1.27', { registry: 'docker.io', path: 'library/nginx', name: 'nginx', tag: '1.27' }],
  ['shop/web', { registry: 'docker.io', path: 'shop/web', name: 'shop/web', tag: 'latest' }],
  [
    'index.docker.io/shop/web',
    { registry: 'docker.io', path: 'shop/web', name: 'index.docker.io/shop/web', tag: 'latest' },
  ],
  ['localhost/web:2', { registry: 'localhost', path: 'web', name: 'localhost/web', tag: '2' }],
  ['127.0.0.1:5000/a/b', { registry: '127.0.0.1:5000', path: 'a/b', name: '127.0.0.1:5000/a/b', tag: 'latest' }],
  [
    `registry.example/web@${digest}`,
    { registry: 'registry.example', path: 'web', name: 'registry.example/web', digest },
  ],
  [`web:1@${digest}`, { registry: 'docker.io', path: 'library/web', name: 'web', tag: '1', digest }],
])('%s', (text, expected) => {
  expect(parseImageReference(text)).toEqual(expected);
});

test.each([
  '',
  ':1',
  'Web',
  'web:',
  'web@sha256:1',
  'a//b',
  '../x',
  'a/../b',
  'web?x=1',
  'web#1',
  'web:1 2',
  'web/',
  '-web',
  `${'a/'.repeat(150)}b`,
])('is no reference: %j', (text) => {
  expect(parseImageReference(text)).toBeUndefined();
});
