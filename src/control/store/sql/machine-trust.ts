/** Activations and the certificates of machines. */
import type { Kysely } from 'kysely';
import type { Activation, MachineCertificate } from '#model/machine-trust.ts';
import type { ActivationTable, MachineCertificateTable } from '../store.ts';
import { decodeDocument } from './documents.ts';
import { rowsForPage, toPage, upsert } from './queries.ts';
import type { ActivationRow, Database, MachineCertificateRow } from './schema.ts';

export function activationTable(db: Kysely<Database>): ActivationTable {
  return {
    async get(activationId) {
      const row = await db
        .selectFrom('activations')
        .selectAll()
        .where('activation_id', '=', activationId)
        .executeTakeFirst();
      return row && activation(row);
    },

    put: (item) =>
      upsert(
        db,
        'activations',
        ['activation_id'],
        [{ activation_id: item.activationId, expires_at: item.expiresAt, document: JSON.stringify(item) }],
      ),

    async delete(activationId) {
      await db.deleteFrom('activations').where('activation_id', '=', activationId).execute();
    },

    async deleteExpired(before) {
      const { numDeletedRows } = await db
        .deleteFrom('activations')
        .where('expires_at', '<=', before)
        .executeTakeFirst();
      return Number(numDeletedRows);
    },

    async list(page) {
      let query = db.selectFrom('activations').selectAll().orderBy('activation_id').limit(rowsForPage(page));
      if (page.after !== undefined) query = query.where('activation_id', '>', page.after);
      return toPage(await query.execute(), page, (row) => row.activation_id, activation);
    },
  };
}

export function machineCertificateTable(db: Kysely<Database>): MachineCertificateTable {
  return {
    async get(serial) {
      const row = await db
        .selectFrom('machine_certificates')
        .selectAll()
        .where('serial', '=', serial)
        .executeTakeFirst();
      return row && certificate(row);
    },

    async ofMachine(machineId) {
      const rows = await db
        .selectFrom('machine_certificates')
        .selectAll()
        .where('machine_id', '=', machineId)
        .orderBy('not_after')
        .orderBy('serial')
        .execute();
      return rows.map(certificate);
    },

    async endingAfter(time) {
      const rows = await db
        .selectFrom('machine_certificates')
        .selectAll()
        .where('not_after', '>', time)
        .orderBy('not_after')
        .orderBy('serial')
        .execute();
      return rows.map(certificate);
    },

    put: (item) =>
      upsert(
        db,
        'machine_certificates',
        ['serial'],
        [
          {
            serial: item.serial,
            machine_id: item.machineId,
            not_after: item.notAfter,
            document: JSON.stringify(item),
          },
        ],
      ),

    async deleteExpired(before) {
      const { numDeletedRows } = await db
        .deleteFrom('machine_certificates')
        .where('not_after', '<=', before)
        .executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

function activation(row: ActivationRow): Activation {
  return decodeDocument('activations', row.activation_id, row.document);
}

function certificate(row: MachineCertificateRow): MachineCertificate {
  return decodeDocument('machine_certificates', row.serial, row.document);
}
