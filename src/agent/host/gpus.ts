/** The GPUs of this machine by the ids that its driver gives them, as the container engine takes them. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const question = ['--query-gpu=uuid', '--format=csv,noheader'];

/** None on a machine without the driver's program; rejects when the program fails, because a GPU that cannot be asked is not one that is gone. */
export async function readGpuIds(program: string = 'nvidia-smi'): Promise<string[]> {
  try {
    const { stdout } = await promisify(execFile)(program, question, { timeout: 30_000 });
    return stdout
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
