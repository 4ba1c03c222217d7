/** What `berth doctor` makes of what it saw: for each thing a verdict and, where it is not well, the fix. Pure. */

export type Verdict = 'ok' | 'warning' | 'broken';

export interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  /** What was seen, in a few words. */
  readonly found: string;
  /** What to do about it. */
  readonly fix?: string;
}

/** Something that was looked at, or why it could not be. */
export type Seen<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly because: string };

/** Of control, and of a machine's agent: what each needs is another thing. */
export type Role = 'control' | 'agent';

export interface PortUse {
  readonly port: number;
  readonly what: string;
  readonly role: Role;
  /** `berth`: the service that it is for answers there. */
  readonly use: 'free' | 'berth' | 'taken';
}

export interface ControlSeen {
  readonly url: string;
  /** Control's clock minus this machine's, in milliseconds. */
  readonly clockAheadMs: number;
  readonly overTls: boolean;
}

export interface Observations {
  readonly roles: readonly Role[];
  readonly kernel: { readonly release: string; readonly missing: readonly string[] };
  readonly cgroups: { readonly version: 1 | 2 | undefined; readonly controllers: readonly string[] };
  readonly ports: readonly PortUse[];
  readonly engine: Seen<{ readonly version: string; readonly apiVersion: string }>;
  /** Undefined: no agent has been told of a control service yet. */
  readonly control: Seen<ControlSeen> | undefined;
  readonly names: Seen<{ readonly asked: string; readonly ms: number }>;
  readonly mtu: { readonly uplink?: NetworkCard; readonly bridge?: NetworkCard };
  readonly disk: Seen<{ readonly folder: string; readonly fsyncMs: number; readonly freeMiB: number }>;
  /** Until when the machine's certificate holds; undefined: it has none. */
  readonly certificate: Seen<{ readonly daysLeft: number }> | undefined;
}

export interface NetworkCard {
  readonly name: string;
  readonly mtu: number;
}

/** The oldest that Berth is tested with. */
const leastApi = '1.41';
const leastKernel = '4.18';
const needed = ['cpu', 'memory', 'pids'];
/** Signatures are refused from five minutes on. */
const clock = { warning: 10_000, broken: 300_000 };
const fsync = { warning: 30, broken: 1000 };
const leastFreeMiB = 1024;
const slowNameMs = 1000;

export function judge(seen: Observations): Finding[] {
  const isAgent = seen.roles.includes('agent');
  return [
    kernel(seen.kernel),
    ...(isAgent ? [cgroups(seen.cgroups), engine(seen.engine)] : []),
    ...seen.ports.filter(({ role }) => seen.roles.includes(role)).map(port),
    ...(isAgent ? [mtu(seen.mtu)] : []),
    names(seen.names),
    ...(seen.control === undefined ? [] : reached(seen.control)),
    ...(seen.certificate === undefined ? [] : [certificate(seen.certificate)]),
    ...disk(seen.disk),
  ];
}

export function isBroken(findings: readonly Finding[]): boolean {
  return findings.some(({ verdict }) => verdict === 'broken');
}

function kernel({ release, missing }: Observations['kernel']): Finding {
  const found = missing.length === 0 ? release : `${release}, without ${missing.join(', ')}`;
  if (missing.length > 0) {
    return {
      check: 'kernel',
      verdict: 'broken',
      found,
      fix: `boot a kernel with ${missing.join(', ')} (modprobe may do)`,
    };
  }
  if (isOlder(release, leastKernel)) {
    return {
      check: 'kernel',
      verdict: 'warning',
      found,
      fix: `Berth is tested from kernel ${leastKernel} on: upgrade it`,
    };
  }
  return { check: 'kernel', verdict: 'ok', found };
}

function cgroups({ version, controllers }: Observations['cgroups']): Finding {
  const check = 'control groups';
  if (version === undefined) {
    return { check, verdict: 'broken', found: 'none', fix: 'mount them at /sys/fs/cgroup; systemd does at boot' };
  }
  const missing = needed.filter((name) => !controllers.includes(name));
  const found = `version ${version}: ${controllers.filter((name) => needed.includes(name)).join(', ')}`;
  if (missing.length === 0) return { check, verdict: 'ok', found };
  const boot = missing.includes('memory')
    ? ' (cgroup_enable=memory on the kernel command line, as on a Raspberry Pi)'
    : '';
  return {
    check,
    verdict: 'broken',
    found: `${found}; not ${missing.join(', ')}`,
    fix: `enable ${missing.join(', ')}${boot}`,
  };
}

function engine(seen: Observations['engine']): Finding {
  const check = 'Docker Engine';
  if (!seen.ok) {
    return {
      check,
      verdict: 'broken',
      found: seen.because,
      fix: 'systemctl start docker; where there is none: install.sh --engine',
    };
  }
  const { version, apiVersion } = seen.value;
  const found = `${version}, API ${apiVersion}`;
  if (!isOlder(apiVersion, leastApi)) return { check, verdict: 'ok', found };
  return { check, verdict: 'broken', found, fix: `install Docker Engine 20.10 (API ${leastApi}) or later` };
}

function port({ port: number, what, use }: PortUse): Finding {
  const check = `port ${number}`;
  if (use === 'free') return { check, verdict: 'ok', found: `free, for ${what}` };
  if (use === 'berth') return { check, verdict: 'ok', found: `${what} answers` };
  return {
    check,
    verdict: 'broken',
    found: `taken, wanted for ${what}`,
    fix: `ss -ltnp 'sport = :${number}' says by whom; end that, or give Berth another port (docs/operating.md)`,
  };
}

/** Packets of containers that are larger than what the way out takes are lost where nobody tells them. */
function mtu({ uplink, bridge }: Observations['mtu']): Finding {
  const check = 'MTU';
  if (uplink === undefined)
    return {
      check,
      verdict: 'warning',
      found: 'no default route',
      fix: 'containers reach this network alone: is that meant?',
    };
  const found = [uplink, ...(bridge === undefined ? [] : [bridge])]
    .map(({ name, mtu: bytes }) => `${name} ${bytes}`)
    .join(', ');
  if (bridge === undefined || bridge.mtu <= uplink.mtu) return { check, verdict: 'ok', found };
  return {
    check,
    verdict: 'warning',
    found,
    fix: `"mtu": ${uplink.mtu} in /etc/docker/daemon.json, and restart docker`,
  };
}

function names(seen: Observations['names']): Finding {
  const check = 'DNS';
  if (!seen.ok) return { check, verdict: 'broken', found: seen.because, fix: 'see /etc/resolv.conf and /etc/hosts' };
  const { asked, ms } = seen.value;
  const found = `${asked} in ${Math.round(ms)} ms`;
  if (ms <= slowNameMs) return { check, verdict: 'ok', found };
  return { check, verdict: 'warning', found, fix: 'the first name server of /etc/resolv.conf does not answer in time' };
}

function reached(seen: Seen<ControlSeen>): Finding[] {
  const check = 'control';
  if (!seen.ok) {
    const fix =
      'is berth-control up, is the port open on the way, is the address right (BERTH_CONTROL_URL in /etc/berth/agent.env)?';
    return [{ check, verdict: 'broken', found: seen.because, fix }];
  }
  const { url, clockAheadMs, overTls } = seen.value;
  return [
    { check, verdict: 'ok', found: `${url} answers${overTls ? ', its certificate is by our authority' : ''}` },
    clocks(clockAheadMs),
  ];
}

function clocks(aheadMs: number): Finding {
  const off = Math.abs(aheadMs);
  // The header has whole seconds.
  const found =
    off < 2000 ? 'as control’s' : `${Math.round(off / 1000)} s ${aheadMs > 0 ? 'behind' : 'ahead of'} control`;
  const verdict = off >= clock.broken ? 'broken' : off >= clock.warning ? 'warning' : 'ok';
  return {
    check: 'clock',
    verdict,
    found,
    ...(verdict === 'ok' ? {} : { fix: 'run chrony or systemd-timesyncd on both machines' }),
  };
}

function certificate(seen: Seen<{ readonly daysLeft: number }>): Finding {
  const check = 'certificate';
  if (!seen.ok)
    return { check, verdict: 'broken', found: seen.because, fix: 'join anew: berth instance invite, at control' };
  const { daysLeft } = seen.value;
  if (daysLeft < 0) {
    return {
      check,
      verdict: 'broken',
      found: `lapsed ${Math.ceil(-daysLeft)} days ago`,
      fix: 'start the agent, which renews it, or join anew',
    };
  }
  const found = `holds for ${Math.floor(daysLeft)} days`;
  // It is renewed when a third of its life is left.
  if (daysLeft >= 8) return { check, verdict: 'ok', found };
  return { check, verdict: 'warning', found, fix: 'it should have been renewed: journalctl -u berth-agent' };
}

function disk(seen: Observations['disk']): Finding[] {
  if (!seen.ok)
    return [
      {
        check: 'disk',
        verdict: 'warning',
        found: seen.because,
        fix: 'run the command as root, or again when the machine is less busy',
      },
    ];
  const { folder, fsyncMs, freeMiB } = seen.value;
  const space: Finding =
    freeMiB >= leastFreeMiB
      ? { check: 'disk space', verdict: 'ok', found: `${freeMiB} MiB free at ${folder}` }
      : {
          check: 'disk space',
          verdict: 'warning',
          found: `${freeMiB} MiB free at ${folder}`,
          fix: 'docker system df says what images take',
        };
  const verdict = fsyncMs >= fsync.broken ? 'broken' : fsyncMs >= fsync.warning ? 'warning' : 'ok';
  const found = `a write is on disk after ${fsyncMs.toFixed(1)} ms`;
  const sync: Finding = { check: 'disk fsync', verdict, found };
  return [
    space,
    verdict === 'ok' ? sync : { ...sync, fix: 'every change waits for that: another disk, or less on this one' },
  ];
}

/** By numbers, part after part: `4.9` is older than `4.18`. */
function isOlder(version: string, least: string): boolean {
  const [mine, wanted] = [version, least].map((text) =>
    text.split(/[.-]/).map((part) => Number.parseInt(part, 10) || 0),
  );
  const length = wanted?.length ?? 0;
  for (let n = 0; n < length; n++) {
    const difference = (mine?.[n] ?? 0) - (wanted?.[n] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
