import { describe, expect, it } from 'vitest';
import { deadline, systemClock } from '#lib/clock.ts';
import { TimeoutError } from '#lib/errors.ts';
import { ManualClock, settle } from '#test/support/manual-clock.ts';

describe('sleep', () => {
  it('resolves when the time has passed', async () => {
    const clock = new ManualClock();
    let awake = false;
    const sleeping = clock.sleep(1000).then(() => (awake = true));
    await clock.advance(999);
    expect(awake).toBe(false);
    await clock.advance(1);
    expect(awake).toBe(true);
    await sleeping;
  });

  it('rejects with the reason of its signal and leaves no timer behind', async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const sleeping = clock.sleep(1000, abort.signal);
    abort.abort(new Error('shutting down'));
    await expect(sleeping).rejects.toThrow('shutting down');
    expect(clock.pendingTimers()).toBe(0);
  });

  it('rejects at once when its signal is aborted already', async () => {
    const clock = new ManualClock();
    await expect(clock.sleep(1000, AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
    expect(clock.pendingTimers()).toBe(0);
  });
});

describe('deadline', () => {
  it('passes on what came in time', async () => {
    const clock = new ManualClock();
    await expect(deadline(clock, 1000, 'the answer', Promise.resolve(42))).resolves.toBe(42);
    await expect(deadline(clock, 1000, 'the answer', Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(clock.pendingTimers()).toBe(0);
  });

  it('rejects with an error that names what took too long', async () => {
    const clock = new ManualClock();
    const waiting = deadline(clock, 1500, 'stopping the engine', new Promise(() => undefined));
    const outcome = expect(waiting).rejects.toThrow(new TimeoutError('stopping the engine', 1500));
    await clock.advance(1500);
    await outcome;
  });
});

describe('the system clock', () => {
  it('runs timers after their time and never synchronously', async () => {
    let ran = false;
    systemClock.after(0, () => (ran = true));
    expect(ran).toBe(false);
    await systemClock.sleep(10);
    expect(ran).toBe(true);
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000);
  });

  it('does not run a wait of months at once', async () => {
    let ran = false;
    const timer = systemClock.after(90 * 86_400_000, () => (ran = true), { background: true });
    await systemClock.sleep(20);
    timer.cancel();
    expect(ran).toBe(false);
  });
});

describe('the manual clock', () => {
  it('runs timers in the order of their time, then of their making, those made on the way included', async () => {
    const clock = new ManualClock(0);
    const ran: string[] = [];
    const note = (what: string) => () => void ran.push(`${what}@${clock.now()}`);
    clock.after(20, note('late'));
    clock.after(10, note('first'));
    clock.after(10, () => {
      note('second')();
      clock.after(5, note('nested'));
    });
    clock.after(12, note('cancelled')).cancel();
    expect(clock.nextTimerAt()).toBe(10);
    await clock.advance(30);
    expect(ran).toEqual(['first@10', 'second@10', 'nested@15', 'late@20']);
    expect(clock.now()).toBe(30);
  });

  it('moves until a condition holds, and complains when it never does', async () => {
    const clock = new ManualClock(0);
    let count = 0;
    const tick = (): void => {
      count++;
      clock.after(10, tick);
    };
    tick();
    await clock.advanceUntil(() => count === 5, 1000);
    expect(clock.now()).toBe(40);
    await expect(clock.advanceUntil(() => false, 100)).rejects.toThrow('did not hold within 100 ms');
    await expect(new ManualClock().advanceUntil(() => false, 100)).rejects.toThrow('no timer is left');
    await settle();
  });
});
