/** What a caller sees of an error. */
import { describe, expect, it } from 'vitest';
import { clientTokenReused, clusterNotFound, errorAnswer, serverException } from '#protocol/ecs/errors.ts';

describe('the answer to an error', () => {
  it('names the type and the message as AWS does', () => {
    expect(errorAnswer(clusterNotFound())).toEqual({
      httpStatus: 400,
      body: { __type: 'ClusterNotFoundException', message: 'Cluster not found.' },
    });
  });

  it('carries the members that belong to the error', () => {
    const { body } = errorAnswer(clientTokenReused(['task/1']));
    expect(body).toMatchObject({ __type: 'ConflictException', resourceIds: ['task/1'] });
  });

  it('says nothing of what went wrong inside, and keeps it for the log', () => {
    const cause = new Error('disk full at /secret');
    const error = serverException(cause);
    expect(errorAnswer(error).httpStatus).toBe(500);
    expect(JSON.stringify(errorAnswer(error))).not.toContain('secret');
    expect(error.cause).toBe(cause);
  });
});
