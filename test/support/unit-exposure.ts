/** The figure at the end of what `systemd-analyze security UNIT` says: 0 is best, 10 worst. NaN where there is none. */
export function exposureIn(said: string): number {
  return Number(/Overall exposure level for \S+: ([\d.]+)/.exec(said)?.[1]);
}
