/** Commands in containers of a Docker Engine, over a connection of their own each. Errors and deadlines as in docker.ts. */
import type { Duplex } from 'node:stream';
import type Docker from 'dockerode';
import { z } from 'zod';
import { EngineError } from './container-engine.ts';
import { buffersOf, type DockerConnection } from './docker-connection.ts';
import { engineErrorOf, hasStatus } from './docker-errors.ts';
import { framesOf } from './docker-frames.ts';
import type { DockerTimeouts } from './docker-timeouts.ts';
import type { EngineExec, ExecChunk, ExecProcess, ExecSpec, ExecStatus } from './engine-exec.ts';

/**
 * Typed into a terminal, this would detach the engine from the command. It cannot be switched off, only made a thing that nobody types: the
 * engine's own, Ctrl-P Ctrl-Q, would hold back every Ctrl-P. It also tells our commands from everybody else's, after a crash too.
 */
const detachKeys = 'ctrl-^,b,e,r,t,h,-,e,x,e,c,ctrl-^';
const detachBytes = '\x1eberth-exec\x1e';

const endOfTransmission = Uint8Array.of(4);

const ExecInspection = z.object({
  Running: z.boolean(),
  ExitCode: z.number().nullish(),
  Pid: z.number().nullish(),
  /** Base64 of the keys. */
  DetachKeys: z.string().nullish(),
});

const ContainerExecs = z.object({ ExecIDs: z.array(z.string()).nullish() });

export function dockerExec(
  { docker, where, call, get }: DockerConnection,
  { execMs }: Pick<DockerTimeouts, 'execMs'>,
): EngineExec {
  function inspect(id: string, signal?: AbortSignal): Promise<z.infer<typeof ExecInspection> | undefined> {
    const request = { what: 'inspection of a command', ms: execMs, signal, isQuestion: true };
    return call(request, async (abortSignal) => {
      try {
        return ExecInspection.parse(await get(`/exec/${id}/json`, abortSignal));
      } catch (error) {
        if (hasStatus(error, 404)) return undefined;
        throw error;
      }
    });
  }

  async function start(idOrName: string, spec: ExecSpec, signal?: AbortSignal): Promise<[Docker.Exec, Duplex]> {
    const terminal = spec.terminal !== undefined;
    const what = `command in container ${idOrName}`;
    const created = await call({ what, ms: execMs, signal }, (abortSignal) =>
      docker.getContainer(encodeURIComponent(idOrName)).exec({
        AttachStdin: spec.interactive,
        AttachStdout: true,
        AttachStderr: true,
        Tty: terminal,
        Cmd: [...spec.command],
        Env: [...spec.environment],
        DetachKeys: detachKeys,
        ...(spec.user === undefined ? {} : { User: spec.user }),
        // Engines before 23.0 leave it out and are told by a resize, which the command may overtake.
        ...(spec.terminal === undefined ? {} : { ConsoleSize: [spec.terminal.rows, spec.terminal.columns] }),
        abortSignal,
      }),
    );
    const stream = await call({ what, ms: execMs, signal }, (abortSignal) => {
      const options = { hijack: true, stdin: true, _body: { Detach: false, Tty: terminal }, abortSignal };
      return created.start(options);
    });
    return [created, stream];
  }

  return {
    async exec(idOrName, spec, { signal } = {}) {
      const [created, stream] = await start(idOrName, spec, signal);
      const terminal = spec.terminal !== undefined;
      // Whoever reads the output is told; without a reader it is nobody's.
      stream.on('error', () => undefined);
      const process: ExecProcess = {
        output: outputOf(stream, { terminal, where }),
        write: (data) => new Promise((resolve) => stream.write(data, () => resolve())),
        endInput() {
          if (terminal) stream.write(endOfTransmission);
          else stream.end();
        },
        async resize({ columns, rows }, options = {}) {
          const request = { what: 'resize of a terminal', ms: execMs, signal: options.signal };
          await call(request, async (abortSignal) => {
            try {
              const size = { h: rows, w: columns, abortSignal };
              await created.resize(size);
            } catch (error) {
              if (!hasStatus(error, 404, 409) && !saysItEnded(error)) throw error;
            }
          });
        },
        async status(options = {}) {
          const found = await inspect(created.id, options.signal);
          return found && statusOf(found);
        },
        close: () => void stream.destroy(),
      };
      if (spec.terminal !== undefined) await process.resize(spec.terminal, signal === undefined ? {} : { signal });
      return process;
    },

    async execPids(idOrName, { signal } = {}) {
      const request = { what: `inspection of container ${idOrName}`, ms: execMs, signal, isQuestion: true };
      const { ExecIDs: ids } = await call(request, async (abortSignal) => {
        try {
          return ContainerExecs.parse(await get(`/containers/${encodeURIComponent(idOrName)}/json`, abortSignal));
        } catch (error) {
          if (hasStatus(error, 404)) return {};
          throw error;
        }
      });
      const found = await Promise.all((ids ?? []).map((id) => inspect(id, signal)));
      return found.flatMap((one) => {
        if (one?.Running !== true || Buffer.from(one.DetachKeys ?? '', 'base64').toString() !== detachBytes) return [];
        return one.Pid ? [one.Pid] : [];
      });
    },
  };
}

/** Between the end of a command and the engine's word of it, a resize meets nothing. */
function saysItEnded(error: unknown): boolean {
  return /no such exec|process (already finished|does not exist|not found)|not running/i.test(
    error instanceof Error ? error.message : '',
  );
}

function statusOf({ Running, ExitCode, Pid }: z.infer<typeof ExecInspection>): ExecStatus | undefined {
  if (Running) return { state: 'running', ...(Pid ? { pid: Pid } : {}) };
  // One that has not started yet neither runs nor has an exit code.
  return typeof ExitCode === 'number' ? { state: 'exited', exitCode: ExitCode } : { state: 'running' };
}

async function* outputOf(
  stream: Duplex,
  { terminal, where }: { terminal: boolean; where: string },
): AsyncGenerator<ExecChunk> {
  try {
    const chunks = buffersOf(stream);
    if (!terminal) yield* framesOf(chunks);
    else for await (const data of chunks) yield { stream: 'stdout', data };
  } catch (error) {
    if (stream.destroyed && isPrematureClose(error)) {
      throw new EngineError('unreachable', `the engine at ${where} broke off the command's streams`, { cause: error });
    }
    throw engineErrorOf(error, where);
  }
}

function isPrematureClose(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
}
