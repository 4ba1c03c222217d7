/** The command line as people run it: the built program as a child process. Nothing that AWS variables of the tests' own surroundings say reaches it. */
import { execFile, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join, resolve } from 'node:path';
import { expect } from 'vitest';
import type { z } from 'zod';
import { testKey } from './processes.ts';

const program = resolve(import.meta.dirname, '../../dist/main.js');
const ofSurroundings = new Set([
  'AWS_ENDPOINT_URL',
  'AWS_ENDPOINT_URL_ECS',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
]);

export interface Outcome {
  code: number;
  out: string;
  err: string;
}

export interface BerthProgram {
  /** Runs it to its end, whatever that is. */
  berth(...args: string[]): Promise<Outcome>;
  /** What a command that succeeds says with `--output json`. */
  json<T>(schema: z.ZodType<T>, ...args: string[]): Promise<T>;
  spawn(...args: string[]): ChildProcessWithoutNullStreams;
}

/** `environment`: beside that of the tests. `folder`: where it runs. */
export function berthProgram(environment: Readonly<Record<string, string>>, folder = process.cwd()): BerthProgram {
  const inherited = Object.entries(process.env).filter(([name]) => !ofSurroundings.has(name));
  const env = { ...Object.fromEntries(inherited), ...environment };

  function berth(...args: string[]): Promise<Outcome> {
    return new Promise((done) => {
      execFile(process.execPath, [program, ...args], { env, cwd: folder }, (error, out, err) => {
        done({ code: typeof error?.code === 'number' ? error.code : 0, out, err });
      });
    });
  }

  return {
    berth,
    async json(schema, ...args) {
      const { code, out, err } = await berth(...args, '--output', 'json');
      expect([code, err]).toEqual([0, expect.any(String)]);
      return schema.parse(JSON.parse(out));
    },
    spawn: (...args) => spawn(process.execPath, [program, ...args], { env, cwd: folder }),
  };
}

/** For the cluster of a cell of tests, with its key. */
export function berthFor({ url, folder }: { readonly url: string; readonly folder: string }): BerthProgram {
  const environment = {
    AWS_ENDPOINT_URL: url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: testKey.accessKeyId,
    AWS_SECRET_ACCESS_KEY: testKey.secretAccessKey,
    BERTH_HOME: join(folder, 'control'),
  };
  return berthProgram(environment, folder);
}
