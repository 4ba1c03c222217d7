/**
 * Patterns of the query language. They are written as for Java and must match the whole value. Only patterns that a backtracking
 * matcher finishes quickly are accepted: control evaluates them for every instance, so one pattern must not be able to hold it up.
 */

const longestPattern = 256;
/** Each unbounded repetition multiplies the work by the length of the value. */
const mostRepetitions = 4;

export type PatternResult = { ok: true; pattern: RegExp } | { ok: false; message: string };

export function compilePattern(source: string): PatternResult {
  if (source.length > longestPattern) return refusal(`is longer than ${longestPattern} characters`);
  const repetitions = unboundedRepetitions(source);
  if (repetitions === 'nested') return refusal('repeats a group that itself repeats or has alternatives');
  if (repetitions > mostRepetitions) return refusal(`has more than ${mostRepetitions} unbounded repetitions`);
  const ignoreCase = source.startsWith('(?i)');
  const body = ignoreCase ? source.slice('(?i)'.length) : source;
  try {
    return { ok: true, pattern: new RegExp(`^(?:${body})$`, ignoreCase ? 'ui' : 'u') };
  } catch (error) {
    return refusal(
      error instanceof Error ? `is not a regular expression: ${error.message}` : 'is not a regular expression',
    );
  }
}

function refusal(why: string): PatternResult {
  return { ok: false, message: `the pattern ${why}` };
}

/** How many `*`, `+` and `{n,}` there are; `nested` when one applies to a group that repeats or chooses inside. */
function unboundedRepetitions(source: string): number | 'nested' {
  let count = 0;
  /** For each open group, whether it repeats or chooses. */
  const groups: boolean[] = [];
  let closed = false;
  let inClass = false;
  for (let at = 0; at < source.length; at += 1) {
    const character = source[at];
    const afterGroup = closed;
    closed = false;
    if (character === '\\') {
      at += 1;
    } else if (inClass) {
      inClass = character !== ']';
    } else if (character === '[') {
      inClass = true;
    } else if (character === '(') {
      groups.push(false);
    } else if (character === ')') {
      closed = groups.pop() ?? false;
      if (closed) markGroup(groups);
    } else if (character === '|') {
      markGroup(groups);
    } else if (character === '*' || character === '+' || character === '{') {
      if (afterGroup) return 'nested';
      count += 1;
      markGroup(groups);
    }
  }
  return count;
}

function markGroup(groups: boolean[]): void {
  if (groups.length > 0) groups[groups.length - 1] = true;
}
