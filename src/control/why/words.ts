/** Small pieces of the sentences that say why. */
import { arnId } from '#model/arn.ts';

/** "1 task", "3 tasks". */
export function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

/** The first digits of an id: what lists show and commands take. */
export function shortArn(arn: string): string {
  return arnId(arn).slice(0, 12);
}
