/**
 * Loaded into a daemon before its own code: it dies like by kill -9 right before or right after it commits its n-th transaction, counted from the
 * moment when the file says which (`before 3`).
 */
import { existsSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

const file = process.env['BERTH_TEST_DIE_AT_SAVE'] ?? '';
const { prototype } = DatabaseSync;
const execute = prototype.exec;
let saves = 0;

function dieIf(due: boolean): void {
  if (due) process.kill(process.pid, 'SIGKILL');
}

prototype.exec = function exec(sql) {
  const [moment, nth] = sql === 'COMMIT' && existsSync(file) ? readFileSync(file, 'utf8').split(' ') : [];
  if (moment !== undefined) saves += 1;
  dieIf(moment === 'before' && saves === Number(nth));
  execute.call(this, sql);
  dieIf(moment === 'after' && saves === Number(nth));
};
