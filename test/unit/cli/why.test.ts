import { describe, expect, it } from 'vitest';
import { describeWhy } from '#cli/commands/why.ts';
import type { WhyAnswer } from '#protocol/why.ts';

const now = 1_000_000;
const instance = 'arn:aws:ecs:us-east-1:000000000000:container-instance/default/0123456789abcdef0123456789abcdef';

const stuck: WhyAnswer = {
  kind: 'service',
  name: 'web',
  arn: 'arn:aws:ecs:us-east-1:000000000000:service/default/web',
  status: 'ACTIVE',
  summary: 'It waits for a container instance that meets the requirements of its tasks: 0 of 1 wanted task run.',
  findings: [
    { topic: 'goal', text: '1 wanted, 0 running, 0 starting, 0 stopping' },
    { topic: 'waiting', text: 'a container instance', until: now + 30_000 },
    { topic: 'agent', text: 'disconnected', at: now - 5000 },
  ],
  placement: [
    {
      deploymentId: 'ecs-svc/1',
      tasks: 1,
      instances: 2,
      fitting: 0,
      refusals: [
        {
          filter: 'RESOURCE:MEMORY',
          reason: 'RESOURCE:MEMORY',
          count: 2,
          text: '2 instances have insufficient memory',
        },
      ],
      nearest: [
        {
          containerInstanceArn: instance,
          hostname: 'attic',
          missing: [
            {
              filter: 'RESOURCE:MEMORY',
              reason: 'RESOURCE:MEMORY',
              text: 'needs 2048 MiB of memory, 812 free of 3904',
            },
          ],
        },
      ],
    },
  ],
  events: [{ at: now - 61_000, message: '(service web) was unable to place a task …' }],
};

describe('berth why', () => {
  it('says the answer first, then what it rests on', () => {
    expect(describeWhy(stuck, now)).toBe(
      [
        'service web: ACTIVE',
        stuck.summary,
        '',
        'ABOUT    WHAT                                         WHEN',
        'goal     1 wanted, 0 running, 0 starting, 0 stopping  -',
        'waiting  a container instance                         30s from now',
        'agent    disconnected                                 5s ago',
        '',
        'placement of ecs-svc/1: 0 of 2 container instances would take a task',
        '',
        'REFUSED  REASON           WHY',
        '2        RESOURCE:MEMORY  2 instances have insufficient memory',
        '',
        'NEAREST       HOST   WHAT IS MISSING',
        '0123456789ab  attic  needs 2048 MiB of memory, 812 free of 3904',
        '',
        '   1m 1s ago  (service web) was unable to place a task …',
      ].join('\n'),
    );
  });

  it('shows the last output of a task without its control characters', () => {
    const { placement: _, events: __, ...bare } = stuck;
    const text = describeWhy(
      { ...bare, kind: 'task', output: [{ name: 'app', lines: ['\u001B[31mred\u001B[0m'] }] },
      now,
    );
    expect(text).toContain('last output of app:\n  red');
  });
});
