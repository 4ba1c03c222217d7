import { describe, expect, test } from 'vitest';
import { parseRegistryAuth } from '#agent/engine/registry-auth.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('credentials of type docker', () => {
  const find = parseRegistryAuth(
    'docker',
    JSON.stringify({
      'https://index.docker.io/v1/': { username: 'hub', password: 'h', email: 'a@b' },
      'registry.example:5000': { username: 'own', password: 'o' },
    }),
  );

  test.each([
    ['nginx', 'hub'],
    ['docker.io/shop/web:1', 'hub'],
    ['registry.example:5000/web', 'own'],
    ['registry.example/web', undefined],
    ['not a reference', undefined],
  ])('for %s: %s', (reference, username) => {
    expect(find(reference)?.username).toBe(username);
  });

  test('keep the address as the operator wrote it', () => {
    expect(find('nginx')?.serverAddress).toBe('https://index.docker.io/v1/');
  });
});

test.each([
  ['bare', (entries: object) => entries],
  ['as in config.json', (auths: object) => ({ auths })],
])('credentials of type dockercfg, %s, are decoded', (_, wrap) => {
  const data = JSON.stringify(wrap({ 'https://registry.example/v2/': { auth: base64('me:se:cret') } }));
  expect(parseRegistryAuth('dockercfg', data)('registry.example/web')).toMatchObject({
    username: 'me',
    password: 'se:cret',
  });
});

test.each([
  ['docker', 'not json'],
  ['docker', '{"host":{"username":"topsecret"}}'],
  ['dockercfg', '{"host":{"auth":"bm8gY29sb24="}}'],
  ['dockercfg', '{"auths":{"host":{"token":"topsecret"}}}'],
] as const)('bad data of type %s is told without its values: %s', (type, data) => {
  expect(() => parseRegistryAuth(type, data)).toThrow(/^(?!.*topsecret)registry credentials: /);
});
