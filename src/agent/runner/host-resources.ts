/**
 * The host's admission gate: a task starts only when CPU, memory, host ports and GPUs it asks for are not held by others, because control may have
 * given away what a stopping task still uses. Whoever does not fit waits with a reason and is asked again, in order of arrival, whenever something is
 * released; it never holds up those behind it.
 */
import { remainingResources, shortages, type InstanceResources, type TaskResources } from '#model/resources.ts';

export interface ResourceClaim extends TaskResources {
  /** Chosen by control. */
  gpuIds: readonly string[];
}

export type Admission =
  | { kind: 'admitted' }
  | { kind: 'waiting'; why: string }
  /** It would not fit on this host even if nothing else ran. */
  | { kind: 'impossible'; why: string };

export interface HostResources {
  /** `retry` is called once, later, when the claim is worth another request. */
  request(taskArn: string, claim: ResourceClaim, retry: () => void): Admission;
  /** For what runs already, fitting or not. */
  occupy(taskArn: string, claim: ResourceClaim): void;
  /** Known stopped, or gone. */
  release(taskArn: string): void;
  /** Nobody is admitted before: what runs already has to be seen first. */
  open(): void;
  /** Nobody is admitted before the host's size is known either. It may change: memory can be added or taken away. */
  resize(capacity: HostCapacity): void;
}

export type HostCapacity = Pick<InstanceResources, 'cpu' | 'memoryMiB' | 'gpuIds'>;

export function createHostResources(): HostResources {
  const holders = new Map<string, ResourceClaim>();
  /** In order of arrival. */
  const waiting = new Map<string, () => void>();
  let isOpen = false;
  let total: InstanceResources | undefined;

  function lacking(size: InstanceResources, claim: ResourceClaim, occupied: Iterable<ResourceClaim>): string[] {
    const held = [...occupied].map((one) => ({ resources: one, gpuIds: one.gpuIds }));
    const left = remainingResources(size, held);
    const missing: string[] = shortages(left, { ...claim, gpuCount: 0 });
    if (claim.gpuIds.some((id) => !left.gpuIds.includes(id))) missing.push('RESOURCE:GPU');
    return missing;
  }

  function retryWaiting(): void {
    const again = [...waiting.values()];
    waiting.clear();
    for (const retry of again) retry();
  }

  return {
    request(taskArn, claim, retry) {
      if (holders.has(taskArn)) return { kind: 'admitted' };
      if (!isOpen || total === undefined) {
        waiting.set(taskArn, retry);
        return { kind: 'waiting', why: 'the agent is still looking at this host and what runs on it' };
      }
      const never = lacking(total, claim, []);
      if (never.length > 0) {
        return { kind: 'impossible', why: `this container instance is too small for the task (${never.join(', ')})` };
      }
      const now = lacking(total, claim, holders.values());
      if (now.length === 0) {
        waiting.delete(taskArn);
        holders.set(taskArn, claim);
        return { kind: 'admitted' };
      }
      waiting.set(taskArn, retry);
      return { kind: 'waiting', why: `waiting for ${now.join(', ')}, still held by tasks on this container instance` };
    },
    occupy(taskArn, claim) {
      waiting.delete(taskArn);
      holders.set(taskArn, claim);
    },
    release(taskArn) {
      waiting.delete(taskArn);
      if (holders.delete(taskArn)) retryWaiting();
    },
    open() {
      isOpen = true;
      retryWaiting();
    },
    resize(capacity) {
      // Ports that others than us listen on are no business of the gate: the engine names them when it cannot bind.
      total = { ...capacity, takenPorts: [] };
      retryWaiting();
    },
  };
}
