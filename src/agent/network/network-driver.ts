/**
 * The port behind which tasks get networks of their own (network mode awsvpc). What every driver gives: a task's pause container, put on the network
 * that `join` names, has an address that is the task's alone; the machine itself and all other tasks of the same driver reach it there.
 * How far the address reaches, the driver decides: bridge-network.ts keeps it on one machine.
 */
import type { CallOptions } from '../engine/container-engine.ts';

export type TaskNetworkCheck = { usable: true; subnet: string } | { usable: false; why: string };

export interface TaskNetworkDriver {
  /** Whether `join` can be expected to work, without making anything. Rejects with an EngineError when the engine could not be asked. */
  check(options?: CallOptions): Promise<TaskNetworkCheck>;
  /**
   * The engine's network for the next pause container, made when it is not there. Rejects with a TaskNetworkError when this machine cannot have it,
   * with an EngineError when the engine could not be asked.
   */
  join(options?: CallOptions): Promise<{ engineNetwork: string }>;
}

/** Tasks cannot have networks of their own on this machine; the message says why and what to do. */
export class TaskNetworkError extends Error {
  override readonly name = 'TaskNetworkError';
}
