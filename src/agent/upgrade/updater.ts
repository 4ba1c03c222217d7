/**
 * Brings this machine another version of the agent when control asks for it: checked, written beside the old one, tried once by asking for its version,
 * then exchanged; the agent ends so that systemd starts the new one. The agent's end touches no container. What goes wrong before the exchange
 * changes nothing and is told.
 */
import { deadline, type Clock } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import type { Logger } from '#lib/logger.ts';
import type { AgentUpdateReport } from '#model/agent-update.ts';
import type { Platform } from '#protocol/session/upgrade.ts';
import type { Installation } from './installation.ts';
import { checkRelease, type OfferedRelease } from './release-check.ts';

export interface UpdaterOptions {
  /** Undefined where the program was not installed by install.sh. */
  readonly installation: Installation | undefined;
  /** False when the operator wants no updates (ECS_UPDATES_ENABLED). */
  readonly enabled: boolean;
  readonly platform: Platform;
  /** PEM certificates; undefined where control is trusted as it is. */
  authorities(): readonly string[] | undefined;
  /** The bytes of a file of control's; rejects when it cannot be had. */
  download(path: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** The version that an executable says it is. */
  versionOf(executable: string): Promise<string>;
  /** Ends the agent so that it is started again. */
  restart(because: string): void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Updater {
  /** Must not be awaited for more than its end; progress goes to `report`. The same release twice is worked on once. */
  update(offered: OfferedRelease, report: (report: AgentUpdateReport) => void): Promise<void>;
}

/** As ECS. */
const downloadLimitMs = 15 * 60_000;

export function createUpdater(options: UpdaterOptions): Updater {
  const { clock, logger } = options;
  let underWay: string | undefined;

  async function stage(installation: Installation, offered: OfferedRelease, report: Reporter): Promise<void> {
    const { version } = offered;
    const checked = checkRelease(offered, options.authorities(), options.platform);
    if (!checked.ok) return fail(report, version, checked.reason);
    const { artifact } = checked;
    if (version === installation.version) return fail(report, version, `this agent is ${version} already`);
    report({ version, status: 'STAGING' });
    const giveUp = new AbortController();
    const chunks = options.download(artifact.path, giveUp.signal);
    const staged = installation.stage(version, artifact, chunks);
    const executable = await deadline(clock, downloadLimitMs, 'the download', staged).finally(() => giveUp.abort());
    const said = await options.versionOf(executable);
    if (said !== version) return fail(report, version, `the executable says it is ${said}`);
    report({ version, status: 'STAGED' });
    installation.switchTo(version);
    report({ version, status: 'UPDATING' });
    logger.info({ from: installation.version, to: version }, 'the agent restarts as another version; containers go on');
    options.restart(`update to ${version}`);
  }

  function fail(report: Reporter, version: string, reason: string): void {
    logger.error({ version, reason }, 'the agent is not updated');
    report({ version, status: 'FAILED', reason });
  }

  return {
    async update(offered, report) {
      if (underWay === offered.release) return;
      const { installation, enabled } = options;
      const { version } = offered;
      if (underWay !== undefined) return fail(report, version, 'another update is under way');
      if (!enabled) return fail(report, version, 'updates are disabled (ECS_UPDATES_ENABLED)');
      if (installation === undefined) {
        return fail(report, version, 'this agent was not installed by install.sh; update it where it came from');
      }
      underWay = offered.release;
      try {
        await stage(installation, offered, report);
      } catch (error) {
        fail(report, version, messageOf(error));
      } finally {
        underWay = undefined;
      }
    },
  };
}

type Reporter = (report: AgentUpdateReport) => void;
