/**
 * A control service that listens over TLS on the loopback interface, with a clock that can be put forward, and machines that join it as the agent's program does. TLS itself goes
 * by the machine's own time; what control judges goes by the clock.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { createIdentityFiles, type Identity, type IdentityFiles } from '#agent/identity/identity-files.ts';
import { join, type JoinOptions, type JoinOutcome } from '#agent/identity/join.ts';
import { renew } from '#agent/identity/renew.ts';
import { createWebSocketConnector } from '#agent/session/websocket.ts';
import { readConfig } from '#control/config.ts';
import { startControl, type Control } from '#control/control.ts';
import type { Store } from '#control/store/store.ts';
import { systemClock, type Clock } from '#lib/clock.ts';
import { systemIds } from '#lib/ids.ts';
import { silentLogger } from '#lib/logger.ts';
import { parseControlMessage, type ControlMessage, type Hello } from '#protocol/session/messages.ts';
import { TrustDescription, trustPath } from '#protocol/trust/description.ts';
import { aHello } from './fake-agent.ts';
import { createMemoryStore } from './memory-store/memory-store.ts';
import { signedFetch } from './signed-fetch.ts';

export interface Talk {
  readonly received: readonly ControlMessage[];
  /** Resolves with the first message of the type, rejects when the link ends before. */
  next<Type extends ControlMessage['type']>(type: Type): Promise<Extract<ControlMessage, { type: Type }>>;
  /** How control ended it. */
  readonly closed: Promise<{ code: number; reason: string }>;
  end(): void;
}

export interface TlsControl {
  readonly control: Control;
  readonly url: string;
  readonly store: Store;
  readonly clock: Clock & { putForward(ms: number): void };
  fingerprint(): Promise<string>;
  /** As `aws ssm` and `berth` ask: the body of the answer, or an error with its text. */
  ask(target: string, body: object): Promise<Record<string, unknown>>;
  post(path: string, body: object): Promise<Response>;
  invite(input?: object): Promise<{ activationId: string; activationCode: string }>;
  newFolder(): IdentityFiles;
  /** Invites, and joins a machine whose state is in the folder. */
  join(files: IdentityFiles, overrides?: Partial<JoinOptions>): Promise<JoinOutcome>;
  renew(files: IdentityFiles): Promise<Identity>;
  /** Opens a session with the certificate in the folder and says hello. */
  talk(files: IdentityFiles, hello?: Partial<Hello>): Promise<Talk>;
  close(): Promise<void>;
}

export async function tlsControl(variables: Record<string, string> = {}): Promise<TlsControl> {
  const root = mkdtempSync(joinPath(tmpdir(), 'berth-tls-'));
  const store = createMemoryStore();
  let offset = 0;
  const clock = {
    ...systemClock,
    now: () => systemClock.now() + offset,
    putForward: (ms: number) => (offset += ms),
  };
  const config = readConfig({
    BERTH_LISTEN: '127.0.0.1:0',
    BERTH_TLS_LISTEN: '127.0.0.1:0',
    BERTH_HOME: joinPath(root, 'control'),
    ...variables,
  });
  const control = await startControl(config, { store, clock, logger: silentLogger });
  const { adminKey } = control.secrets;
  const url = control.tlsUrl ?? '';
  const machine = () => Promise.resolve({ hostname: 'host-1', fingerprint: 'hardware-of-host-1' });
  let folders = 0;

  const under: TlsControl = {
    control,
    url,
    store,
    clock,
    async fingerprint() {
      const answer = await signedFetch({ url: `${control.url}${trustPath}`, key: adminKey, clock });
      return TrustDescription.parse(await answer.json()).serving.fingerprint;
    },
    async ask(target, body) {
      const service = target.startsWith('AmazonSSM') ? 'ssm' : 'ecs';
      const answer = await signedFetch({ url: `${control.url}/`, key: adminKey, clock, service, target, body });
      const json = (await answer.json()) as Record<string, unknown>;
      if (!answer.ok) throw new Error(`${String(json['__type'])}: ${String(json['message'])}`);
      return json;
    },
    post: (path, body) => signedFetch({ url: `${control.url}${path}`, key: adminKey, clock, body }),
    async invite(input = {}) {
      const answer = await under.ask('AmazonSSM.CreateActivation', { IamRole: 'berth', ...input });
      return { activationId: String(answer['ActivationId']), activationCode: String(answer['ActivationCode']) };
    },
    newFolder: () => createIdentityFiles(joinPath(root, `machine-${(folders += 1)}`)),
    async join(files, overrides = {}) {
      const { activationId, activationCode } = await under.invite();
      return join({
        control: url,
        caFingerprint: await under.fingerprint(),
        activationId,
        activationCode: () => Promise.resolve(activationCode),
        dataFolder: files.folder,
        machine,
        clock,
        ids: systemIds,
        ...overrides,
      });
    },
    renew: (files) => renew({ files, control: url, machine, clock, logger: silentLogger }),
    async talk(files, hello = {}) {
      const identity = files.read();
      if (identity === undefined) throw new Error(`${files.folder} holds no identity`);
      return talk(url, identity, { machineId: identity.machineId, fingerprint: 'hardware-of-host-1', ...hello });
    },
    async close() {
      await control.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
  return under;
}

async function talk(url: string, identity: Identity, hello: Partial<Hello>): Promise<Talk> {
  const { keyPem: key, certificatePem: cert, bundle: ca } = identity;
  const received: ControlMessage[] = [];
  const waiting = new Set<() => void>();
  const ended = Promise.withResolvers<{ code: number; reason: string }>();
  const abort = new AbortController();
  const connect = createWebSocketConnector({
    url: `${url.replace(/^https/, 'wss')}/agent`,
    credentials: () => ({ kind: 'certificate', key, cert, ca }),
  });
  const link = await connect(
    {
      message(text) {
        const parsed = parseControlMessage(text);
        if (!parsed.ok) throw new Error(parsed.problem);
        received.push(parsed.message);
        for (const look of waiting) look();
      },
      closed: (code, reason) => ended.resolve({ code, reason }),
    },
    abort.signal,
  );
  link.send(JSON.stringify(aHello(hello)));

  async function next<Type extends ControlMessage['type']>(
    type: Type,
  ): Promise<Extract<ControlMessage, { type: Type }>> {
    const found = Promise.withResolvers<Extract<ControlMessage, { type: Type }>>();
    const look = (): void => {
      const message = received.find((each): each is Extract<ControlMessage, { type: Type }> => each.type === type);
      if (message !== undefined) found.resolve(message);
    };
    waiting.add(look);
    look();
    const tooEarly = ended.promise.then(({ code, reason }) => {
      throw new Error(`control closed with ${code}: ${reason}`);
    });
    return Promise.race([found.promise, tooEarly]);
  }

  return { received, next, closed: ended.promise, end: () => link.terminate() };
}
