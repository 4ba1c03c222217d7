import { expect, test } from 'vitest';
import { containerSpec } from '#agent/tasks/container-config.ts';
import { withEndpointVariables } from '#agent/tasks/endpoint-variables.ts';
import { anAgentTask, type AgentTaskChoices } from '#test/support/builders/an-agent-task.ts';

const endpoint = { origin: 'http://169.254.170.2', id: '0123' };

function variablesOf(choices: AgentTaskChoices = {}, given: typeof endpoint | undefined = endpoint): string[] {
  const spec = withEndpointVariables(containerSpec(anAgentTask(choices), 'app', 'machine'), given);
  return spec.environment.filter((line) => line.startsWith('ECS_'));
}

const injected = [
  'ECS_CONTAINER_METADATA_URI=http://169.254.170.2/v3/0123',
  'ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/0123',
  'ECS_AGENT_URI=http://169.254.170.2/api/0123',
];

test('a container is told where it is served, whatever its definition says', () => {
  expect(variablesOf()).toEqual(injected);
  const environment = [{ name: 'ECS_AGENT_URI', value: 'elsewhere' }];
  expect(variablesOf({ containers: [{ name: 'app', environment }] })).toEqual(injected);
});

test('it is told nothing when nothing is served, or it has no network', () => {
  expect(withEndpointVariables(containerSpec(anAgentTask(), 'app', 'machine'), undefined)).toEqual(
    containerSpec(anAgentTask(), 'app', 'machine'),
  );
  expect(variablesOf({ definition: { networkMode: 'none' } })).toEqual([]);
});
