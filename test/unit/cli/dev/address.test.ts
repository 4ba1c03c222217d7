import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { obstacleToListeningAt } from '#cli/dev/address.ts';

test('a taken address is told by its error code, and is free again when its owner is gone', async () => {
  const owner = createServer();
  await new Promise<void>((resolve) => owner.listen(0, '127.0.0.1', resolve));
  const { port } = owner.address() as AddressInfo;
  expect(await obstacleToListeningAt(`http://127.0.0.1:${port}`)).toBe('EADDRINUSE');
  await new Promise((resolve) => owner.close(resolve));
  expect(await obstacleToListeningAt(`http://127.0.0.1:${port}`)).toBeUndefined();
});

test('an address that is not of this machine is told by its error code', async () => {
  expect(await obstacleToListeningAt('http://192.0.2.77:4566')).toBe('EADDRNOTAVAIL');
});
