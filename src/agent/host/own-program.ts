/** This very program, run once more for a short piece of work whose memory is not to stay. */
import { spawn } from 'node:child_process';
import { isSea } from 'node:sea';

const maximumOutputBytes = 64 * 1024;

/** With this process's settings. Resolves with what it said when it has ended with 0; its last words are the message of the rejection otherwise. */
export function runOwnProgram(args: readonly string[], signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const script = isSea() ? [] : [process.argv[1] ?? ''];
    const child = spawn(process.execPath, [...script, ...args], { stdio: ['ignore', 'pipe', 'pipe'], signal });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8');
      child[stream].on('data', (text: string) => (said[stream] = `${said[stream]}${text}`.slice(-maximumOutputBytes)));
    }
    child.once('error', reject);
    child.once('close', (code, by) => {
      if (code === 0) resolve(said.stdout);
      else reject(new Error(said.stderr.trim() || `berth ${args.join(' ')} ended with ${code ?? by}`));
    });
  });
}
