/** Activations and the certificates of machines, in memory. */
import { rowsForPage, toPage } from '#control/store/sql/queries.ts';
import type { ActivationTable, MachineCertificateTable } from '#control/store/store.ts';
import type { Activation, MachineCertificate } from '#model/machine-trust.ts';
import { compareKeys, inOrder, Rows, type UndoLog } from './rows.ts';

export function activationTable(undo: UndoLog): ActivationTable {
  const rows = new Rows<Activation>(undo);
  const id = (activation: Activation): string => activation.activationId;
  return {
    get: (activationId) => Promise.resolve(rows.get(activationId)),
    put: (activation) => Promise.resolve(rows.put(id(activation), activation)),
    delete: (activationId) => Promise.resolve(void rows.delete(activationId)),
    deleteExpired(before) {
      const expired = [...rows.values()].filter(({ expiresAt }) => expiresAt <= before);
      for (const activation of expired) rows.delete(id(activation));
      return Promise.resolve(expired.length);
    },
    list(page) {
      const { after } = page;
      const found = inOrder(rows.values(), id).filter((row) => after === undefined || id(row) > after);
      return Promise.resolve(toPage(found.slice(0, rowsForPage(page)), page, id, (row) => row));
    },
  };
}

export function machineCertificateTable(undo: UndoLog): MachineCertificateTable {
  const rows = new Rows<MachineCertificate>(undo);

  function where(wanted: (row: MachineCertificate) => boolean): MachineCertificate[] {
    return [...rows.values()]
      .filter(wanted)
      .toSorted((a, b) => a.notAfter - b.notAfter || compareKeys(a.serial, b.serial));
  }

  return {
    get: (serial) => Promise.resolve(rows.get(serial)),
    ofMachine: (machineId) => Promise.resolve(where((row) => row.machineId === machineId)),
    endingAfter: (time) => Promise.resolve(where(({ notAfter }) => notAfter > time)),
    put: (certificate) => Promise.resolve(rows.put(certificate.serial, certificate)),
    deleteExpired(before) {
      const expired = where(({ notAfter }) => notAfter <= before);
      for (const { serial } of expired) rows.delete(serial);
      return Promise.resolve(expired.length);
    },
  };
}
