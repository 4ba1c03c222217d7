/** How long each engine call may take, in milliseconds. The numbers are the ECS agent's; operators may change those of create, start and pull. */
const second = 1000;
const minute = 60 * second;

export interface DockerTimeouts {
  pingMs: number;
  describeMs: number;
  createMs: number;
  startMs: number;
  /** On top of the time that the container itself is given to stop. */
  stopGraceMs: number;
  killMs: number;
  removeMs: number;
  removeImageMs: number;
  inspectMs: number;
  /** The ECS agent gives up a stream of figures that is silent for as long. */
  statsMs: number;
  listMs: number;
  volumeMs: number;
  networkMs: number;
  /** Each of creation, start, inspection and resize of a command in a container. */
  execMs: number;
  /** Until an event or log stream stands. */
  streamOpenMs: number;
  importMs: number;
  /** A whole pull. */
  pullMs: number;
  pullFirstByteMs: number;
  /** Without any progress. */
  pullInactivityMs: number;
}

export const defaultTimeouts: Readonly<DockerTimeouts> = {
  pingMs: 5 * second,
  describeMs: 10 * second,
  createMs: 4 * minute,
  startMs: 3 * minute,
  stopGraceMs: 2 * minute,
  killMs: minute,
  removeMs: 5 * minute,
  removeImageMs: 3 * minute,
  inspectMs: 30 * second,
  statsMs: 18 * second,
  listMs: 10 * minute,
  volumeMs: 5 * minute,
  networkMs: minute,
  execMs: minute,
  streamOpenMs: 30 * second,
  importMs: 2 * minute,
  pullMs: 120 * minute,
  pullFirstByteMs: 5 * minute,
  pullInactivityMs: minute,
};
