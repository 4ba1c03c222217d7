/** Fingerprints of machines that differ in their boards. */
import { fingerprintOf } from '#agent/host/fingerprint.ts';

export function hardwareWithBoard(boardId: string, macAddresses: readonly string[] = []): string {
  return fingerprintOf({ machineId: 'the installation', boardId, macAddresses });
}
