/** The way of an update: asked for by control, told by the agent, ended by its next registration or by time. */
import { describe, expect, test } from 'vitest';
import {
  afterDeadline,
  afterRegistration,
  afterReport,
  agentUpdateLimitMs,
  isUpdateUnderWay,
  requestedUpdate,
  type AgentUpdate,
  type AgentUpdateReport,
} from '#model/agent-update.ts';

const asked = requestedUpdate('0.2.0', 1000);

function told(...statuses: AgentUpdateReport['status'][]): AgentUpdate {
  return statuses.reduce<AgentUpdate>(
    (update, status) => afterReport(update, { version: '0.2.0', status }, 2000),
    asked,
  );
}

describe('an update of an agent', () => {
  test('is PENDING until the agent tells of it', () => {
    expect(asked).toMatchObject({ status: 'PENDING', version: '0.2.0', requestedAt: 1000 });
    expect(isUpdateUnderWay(asked)).toBe(true);
  });

  test('goes forward only: a report that comes late or twice changes nothing', () => {
    const staged = told('STAGING', 'STAGED');
    expect(staged).toMatchObject({ status: 'STAGED', changedAt: 2000 });
    expect(afterReport(staged, { version: '0.2.0', status: 'STAGING' }, 3000)).toBe(staged);
  });

  test('is not changed by the report of another one', () => {
    expect(afterReport(asked, { version: '0.3.0', status: 'STAGING' }, 2000)).toBe(asked);
  });

  test('is UPDATED when the agent registers with the wanted version', () => {
    expect(afterRegistration(told('STAGING', 'STAGED', 'UPDATING'), '0.2.0', 3000)).toMatchObject({
      status: 'UPDATED',
    });
    expect(afterRegistration(asked, '0.2.0', 3000)).toMatchObject({ status: 'UPDATED' });
  });

  test('has FAILED when the agent comes back from the restart with the old version', () => {
    expect(afterRegistration(told('STAGING', 'STAGED', 'UPDATING'), '0.1.0', 3000)).toMatchObject({
      status: 'FAILED',
      reason: expect.stringContaining('went back to 0.1.0'),
    });
  });

  test('goes on when the connection was lost before the restart', () => {
    const staging = told('STAGING');
    expect(afterRegistration(staging, '0.1.0', 3000)).toBe(staging);
  });

  test.each([
    ['PENDING', asked, 'was not connected'],
    ['STAGING', told('STAGING'), 'did not get the executable'],
    ['UPDATING', told('UPDATING'), 'did not come back'],
  ] as const)('that is %s for too long has FAILED and says why', (_status, update, reason) => {
    const deadline = 1000 + agentUpdateLimitMs;
    expect(afterDeadline(update, deadline - 1)).toBe(update);
    expect(afterDeadline(update, deadline)).toMatchObject({
      status: 'FAILED',
      reason: expect.stringContaining(reason),
    });
  });

  test('that has ended stays as it ended', () => {
    const failed = afterReport(asked, { version: '0.2.0', status: 'FAILED', reason: 'no space' }, 2000);
    expect(failed).toMatchObject({ status: 'FAILED', reason: 'no space' });
    expect(afterReport(failed, { version: '0.2.0', status: 'UPDATING' }, 3000)).toBe(failed);
    expect(afterRegistration(failed, '0.2.0', 3000)).toBe(failed);
    expect(afterDeadline(failed, 1e15)).toBe(failed);
  });
});
