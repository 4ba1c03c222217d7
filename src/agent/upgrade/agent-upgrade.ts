/** The updates of this very program, put together: where it is installed, whom it trusts, how it gets another version and how that one proves itself. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import type { Attribute } from '#model/attributes.ts';
import { capability } from '#model/capabilities.ts';
import { platforms, type Platform } from '#protocol/session/upgrade.ts';
import { versionOfProgram } from '../host/program-version.ts';
import { downloadFromControl } from './download.ts';
import { findInstallation } from './installation.ts';
import { watchTrial } from './trial.ts';
import { createUpdater, type Updater } from './updater.ts';

export interface AgentUpgradeOptions {
  readonly config: {
    readonly controlUrl: string;
    readonly dataFolder: string;
    readonly updatesEnabled: boolean;
  };
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the agent so that systemd starts what is installed then. */
  restart(because: string): void;
}

export interface AgentUpgrade extends Updater {
  /** What the agent registers of it: nothing where it would refuse. */
  attributes(): readonly Attribute[];
  /** There is a session: a version on trial has proven itself. */
  proven(): void;
  stop(): void;
}

export function createAgentUpgrade({ config, clock, logger, restart }: AgentUpgradeOptions): AgentUpgrade {
  const installation = findInstallation(process.execPath);
  const { controlUrl, dataFolder } = config;
  const authorities = (): readonly string[] | undefined =>
    controlUrl.startsWith('wss:') ? certificatesIn(readFileSync(join(dataFolder, 'ca.pem'), 'utf8')) : undefined;
  const trial = watchTrial({ installation, clock, logger, restart });
  const updater = createUpdater({
    installation,
    enabled: config.updatesEnabled,
    platform: ownPlatform(),
    authorities,
    download: (path, signal) => downloadFromControl({ controlUrl, authorities }, path, signal),
    versionOf: versionOfProgram,
    restart,
    clock,
    logger,
  });
  const isAble = installation !== undefined && config.updatesEnabled;
  return {
    update: (offered, report) => updater.update(offered, report),
    attributes: () => (isAble ? [{ name: capability.selfUpdate }] : []),
    ...trial,
  };
}

/** On any other machine no release has an executable. */
function ownPlatform(): Platform {
  const own = `${process.platform}-${process.arch}`;
  const known = platforms.find((platform) => platform === own);
  if (known === undefined) throw new Error(`Berth does not run on ${own}`);
  return known;
}

function certificatesIn(bundle: string): string[] {
  return bundle.match(/-----BEGIN CERTIFICATE-----[^]+?-----END CERTIFICATE-----/g) ?? [];
}
