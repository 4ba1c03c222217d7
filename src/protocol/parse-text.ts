/** From one incoming text to a message of a schema. The problem names the field. */
import type { z } from 'zod';

export type Parsed<T> = { ok: true; message: T } | { ok: false; problem: string };

export function parseText<T>(schema: z.ZodType<T>, text: string): Parsed<T> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { ok: false, problem: `not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return { ok: true, message: parsed.data };
  const issue = parsed.error.issues[0];
  return {
    ok: false,
    problem: issue === undefined ? 'invalid' : `${issue.path.join('.') || 'message'}: ${issue.message}`,
  };
}
