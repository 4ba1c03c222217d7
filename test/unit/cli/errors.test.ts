import { describe, expect, it } from 'vitest';
import { CliError, explain } from '#cli/errors.ts';

function thrown(name: string, message: string, code?: string): Error {
  return Object.assign(new Error(message), { name }, code === undefined ? {} : { code });
}

describe('an explanation', () => {
  it('names the endpoint and where to look when nothing listens there', () => {
    expect(
      explain(thrown('Error', 'connect ECONNREFUSED 127.0.0.1:4566', 'ECONNREFUSED'), 'http://127.0.0.1:4566'),
    ).toEqual({
      message: 'cannot reach the control service at http://127.0.0.1:4566: connect ECONNREFUSED 127.0.0.1:4566',
      code: 'ECONNREFUSED',
      next: 'is it running? see `berth dev status`, or check AWS_ENDPOINT_URL',
      exitCode: 1,
    });
  });

  it('says how a control service is trusted whose certificate is not', () => {
    const cause = thrown('Error', 'unable to verify the first certificate', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    for (const error of [cause, new TypeError('fetch failed', { cause })]) {
      expect(explain(error, 'https://control:4567')).toMatchObject({
        message: expect.stringContaining('https://control:4567 shows a certificate that is not trusted here'),
        next: expect.stringContaining('AWS_CA_BUNDLE'),
      });
    }
  });

  it('adds what to do next to an error of the service', () => {
    expect(explain(thrown('ClusterNotFoundException', 'Cluster not found.'), undefined)).toMatchObject({
      message: 'Cluster not found.',
      next: expect.stringContaining('berth cluster list'),
    });
  });

  it('adds it also where the service has no code of its own for the error', () => {
    expect(explain(thrown('ClientException', 'TaskDefinition not found.'), undefined)).toMatchObject({
      next: expect.stringContaining('berth taskdef list'),
    });
  });

  it('keeps what a command said itself, with its exit code', () => {
    expect(explain(new CliError('stopped waiting', { next: 'look again', exitCode: 130 }), undefined)).toEqual({
      message: 'stopped waiting',
      code: 'CliError',
      next: 'look again',
      exitCode: 130,
    });
  });
});
