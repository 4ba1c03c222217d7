/**
 * What control answers for: its certificate authorities, its own certificate, and the certificates of machines. The authority is made when it is first needed, and
 * everything that changes who is trusted is announced to listeners after it is durable.
 *
 * A rotation has two steps, and no machine is cut off by either. `begin`: a second authority is made, machines get certificates by it from then on together with
 * both authorities to trust, and control goes on showing its certificate by the first. `finish`, once every machine has shown a certificate by the second: control
 * shows its own by the second, and the first is gone.
 */
import { sign } from 'node:crypto';
import type { Clock } from '#lib/clock.ts';
import type { Ids } from '#lib/ids.ts';
import type { Logger } from '#lib/logger.ts';
import { lapsedGraceMs, machineCertificateMs, machineUri, type MachineCertificate } from '#model/machine-trust.ts';
import type { Tag } from '#model/tag.ts';
import type { CertificateAnswer, JoinAnswer, JoinRequest, RenewRequest } from '#protocol/trust/messages.ts';
import type { Store } from '../store/store.ts';
import type { Authority } from './authority.ts';
import { createAuthorityFiles, newSerial, type Authorities } from './authority-files.ts';
import { admit, isStanding, isTooLate, judgeJoin, noteShown, refusalOfPeer, refused, type Refusal } from './joining.ts';
import { judgePeer, type PeerVerdict } from './peer.ts';
import { namesOfThisMachine, serverIdentity, type ServerIdentity } from './server-certificate.ts';

export interface TrustOptions {
  /** Control's folder. */
  readonly home: string;
  /** By which control is asked for, besides what the machine knows of itself. */
  readonly names: readonly string[];
  readonly store: Store;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly logger: Logger;
}

/** Machines that would be cut off by the end of a rotation. */
export interface Waiting {
  readonly kind: 'waiting';
  readonly machines: readonly { readonly machineId: string; readonly hostname: string; readonly notAfter: number }[];
}

export interface Trust {
  /** Makes or reads the authorities. Everything else does so too, but for `judge`. */
  open(): Promise<Authorities>;
  /** PEM of everything that machines are to trust. */
  bundle(): Promise<string>;
  /** Control's own certificate, as it has to be now. */
  serverIdentity(): Promise<ServerIdentity>;
  /** Only after `open`. */
  judge(der: Uint8Array | undefined): PeerVerdict;
  /** The fingerprint of the authority that certificates of machines are to be by; undefined before `open`. */
  issuer(): string | undefined;
  /**
   * Base64 of the signature (ECDSA with SHA-256, the two numbers one after the other) of a text by the authority that every machine trusts; undefined before `open`.
   * The text must not begin like a certificate's content, which is DER.
   */
  sign(text: string): string | undefined;
  /** Rejects with a CertificateRequestError. */
  join(request: JoinRequest): Promise<{ kind: 'joined'; answer: JoinAnswer } | Refusal>;
  /** Rejects with a CertificateRequestError. */
  renew(
    der: Uint8Array | undefined,
    request: RenewRequest,
  ): Promise<{ kind: 'renewed'; answer: CertificateAnswer } | Refusal>;
  /** The machine has its new certificate. */
  confirm(der: Uint8Array | undefined): Promise<{ kind: 'confirmed' } | Refusal>;
  /** False: one is under way already. */
  beginRotation(): Promise<boolean>;
  finishRotation(options: { force: boolean }): Promise<{ kind: 'finished' } | { kind: 'not-begun' } | Waiting>;
  /** Those that a rotation waits for. */
  waiting(): Promise<Waiting['machines']>;
  /** Called after each change of the authorities. Returns the way to stop listening. */
  subscribe(listener: () => void): () => void;
}

/** For hosts whose clocks are behind. */
const backdatedMs = 60 * 60 * 1000;

export function createTrust(options: TrustOptions): Trust {
  const { home, store, clock, ids } = options;
  const logger = options.logger.child({ part: 'trust' });
  const files = createAuthorityFiles(home, ids);
  const listeners = new Set<() => void>();
  let opening: Promise<Authorities> | undefined;
  let current: Authorities | undefined;
  /** One change of the authorities, or of control's certificate, at a time. */
  let turn: Promise<unknown> = Promise.resolve();

  function open(): Promise<Authorities> {
    opening ??= files.open(clock.now()).then(
      (authorities) => (current = authorities),
      (error: unknown) => {
        opening = undefined;
        throw error;
      },
    );
    return opening;
  }

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work, work);
    turn = mine.catch(() => undefined);
    return mine;
  }

  function changeTo(authorities: Authorities, why: string): void {
    current = authorities;
    opening = Promise.resolve(authorities);
    logger.info({ serving: authorities.serving.fingerprint, issuing: authorities.issuing.fingerprint }, why);
    for (const listener of listeners) listener();
  }

  async function issue(
    request: { csr: string; hostname: string; fingerprint: string },
    { machineId, clusterName }: { machineId: string; clusterName: string },
  ): Promise<{ certificatePem: string; row: MachineCertificate }> {
    const { issuing } = await open();
    const { signClient } = await import('#lib/x509.ts');
    // Certificates know whole seconds.
    const issuedAt = Math.floor(clock.now() / 1000) * 1000;
    const serial = newSerial(ids);
    const notAfter = issuedAt + machineCertificateMs;
    const certificatePem = await signClient({
      authority: { keyPem: files.keyOf(issuing), certificatePem: issuing.certificatePem },
      request: request.csr,
      commonName: machineId,
      organization: clusterName,
      uri: machineUri(machineId),
      serial,
      validity: { notBefore: issuedAt - backdatedMs, notAfter },
    });
    const { hostname, fingerprint } = request;
    const row = {
      serial,
      machineId,
      clusterName,
      issuer: issuing.fingerprint,
      fingerprint,
      hostname,
      issuedAt,
      notAfter,
    };
    return { certificatePem, row };
  }

  async function answerOf(certificatePem: string, cluster: string): Promise<CertificateAnswer> {
    return { certificate: certificatePem, bundle: await bundle(), cluster };
  }

  async function bundle(): Promise<string> {
    return trustedOf(await open())
      .map(({ certificatePem }) => `${certificatePem.trim()}\n`)
      .join('');
  }

  async function join(request: JoinRequest): Promise<{ kind: 'joined'; answer: JoinAnswer } | Refusal> {
    // Nothing is spent on who has no activation.
    const first = await store.read((tx) => judgeJoin(tx, request, clock.now()));
    if (first.kind === 'refused') return first;
    const { machineId, hostname } = request;
    const { certificatePem, row } = await issue(request, { machineId, clusterName: first.activation.clusterName });
    const verdict = await store.write((tx) => admit(tx, { request, certificate: row, now: clock.now() }));
    if (verdict.kind === 'refused') return verdict;
    const { activationId, clusterName, tags } = verdict.activation;
    logger.info({ machineId, hostname, activationId, clusterName, serial: row.serial }, 'a machine has joined');
    return { kind: 'joined', answer: { ...(await answerOf(certificatePem, clusterName)), tags: tags.map(copyOf) } };
  }

  async function renew(
    der: Uint8Array | undefined,
    request: RenewRequest,
  ): Promise<{ kind: 'renewed'; answer: CertificateAnswer } | Refusal> {
    await open();
    const verdict = judge(der);
    if (verdict.kind === 'refused') return refused('CertificateRefused', verdict.reason);
    const { peer } = verdict;
    if (isTooLate(peer, clock.now())) {
      return refused('CertificateLapsed', 'the certificate lapsed more than 30 days ago: join the machine anew');
    }
    const refusal = await store.read((tx) => refusalOfPeer(tx, peer, request.fingerprint));
    if (refusal !== undefined) return refusal;
    const { certificatePem, row } = await issue(request, peer);
    const late = await store.write(async (tx) => {
      const revoked = await refusalOfPeer(tx, peer);
      if (revoked === undefined) await tx.machineCertificates.put(row);
      return revoked;
    });
    if (late !== undefined) return late;
    const { machineId, serial } = row;
    logger.info({ machineId, serial, replaced: peer.serial }, 'a certificate was renewed');
    return { kind: 'renewed', answer: await answerOf(certificatePem, peer.clusterName) };
  }

  async function confirm(der: Uint8Array | undefined): Promise<{ kind: 'confirmed' } | Refusal> {
    await open();
    const verdict = judge(der);
    if (verdict.kind !== 'valid') return refused('CertificateRefused', verdict.reason);
    const { peer } = verdict;
    const refusal = await store.write(async (tx) => {
      const found = await refusalOfPeer(tx, peer);
      if (found === undefined) await noteShown(tx, peer, clock.now());
      return found;
    });
    return refusal ?? { kind: 'confirmed' };
  }

  function judge(der: Uint8Array | undefined): PeerVerdict {
    if (current === undefined) throw new Error('the authorities are not open');
    return judgePeer(der, trustedOf(current), clock.now());
  }

  async function waiting(): Promise<Waiting['machines']> {
    const { issuing } = await open();
    // One that has lapsed may still be renewed, by a machine that trusts what it trusted then.
    const rows = await store.read((tx) => tx.machineCertificates.endingAfter(clock.now() - lapsedGraceMs));
    const machines = Map.groupBy(rows.filter(isStanding), ({ machineId }) => machineId);
    return [...machines.values()].flatMap((certificates) => {
      const ready = certificates.some(({ issuer, shownAt }) => issuer === issuing.fingerprint && shownAt !== undefined);
      const newest = certificates.at(-1);
      return ready || newest === undefined ? [] : [newest];
    });
  }

  return {
    open,
    bundle,
    serverIdentity: () =>
      inTurn(async () => {
        const { serving } = await open();
        return serverIdentity({
          home,
          ids,
          now: clock.now(),
          serving,
          servingKey: files.keyOf(serving),
          names: namesOfThisMachine(options.names),
        });
      }),
    judge,
    issuer: () => current?.issuing.fingerprint,
    sign(text) {
      if (current === undefined) return undefined;
      const key = { key: files.keyOf(current.serving), dsaEncoding: 'ieee-p1363' as const };
      return sign('sha256', Buffer.from(text), key).toString('base64');
    },
    join,
    renew,
    confirm,
    beginRotation: () =>
      inTurn(async () => {
        if (isRotating(await open())) return false;
        changeTo(
          await files.begin(clock.now()),
          'the authority is being replaced: machines get certificates by the new one',
        );
        return true;
      }),
    finishRotation: ({ force }) =>
      inTurn(async () => {
        if (!isRotating(await open())) return { kind: 'not-begun' };
        const machines = await waiting();
        if (machines.length > 0 && !force) return { kind: 'waiting', machines };
        changeTo(files.finish(), 'the authority was replaced: the one before is gone');
        return { kind: 'finished' };
      }),
    waiting,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

export function isRotating({ serving, issuing }: Authorities): boolean {
  return serving.fingerprint !== issuing.fingerprint;
}

function trustedOf(authorities: Authorities): Authority[] {
  const { serving, issuing } = authorities;
  return isRotating(authorities) ? [serving, issuing] : [serving];
}

function copyOf({ key, value }: Tag): Tag {
  return { key, ...(value !== undefined && { value }) };
}
