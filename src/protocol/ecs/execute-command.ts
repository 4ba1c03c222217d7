/** The request to run a command in a container of a task. */
import { z } from 'zod';
import { clusterReference, nonEmptyText, reference, textUpTo } from './shared.ts';

const maximumCommandCharacters = 64 * 1024;

export const executeCommand = z.strictObject({
  cluster: clusterReference,
  container: textUpTo(255).exactOptional(),
  command: nonEmptyText.max(maximumCommandCharacters, {
    error: `expected at most ${maximumCommandCharacters} characters`,
  }),
  interactive: z.boolean(),
  task: reference,
});
