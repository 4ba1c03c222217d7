/** The history of services in memory. */
import { rowsForPage, toPage } from '#control/store/sql/queries.ts';
import type { ServiceDeploymentTable, ServiceRevisionTable } from '#control/store/store.ts';
import type { ServiceDeployment, ServiceRevision } from '#model/service-deployment.ts';
import { compareKeys, Rows, type UndoLog } from './rows.ts';

interface Dated {
  readonly serviceArn: string;
  readonly createdAt: number;
}

function newestFirst<T extends Dated>(rows: Iterable<T>, serviceArn: string, arn: (row: T) => string): T[] {
  return [...rows]
    .filter((row) => row.serviceArn === serviceArn)
    .toSorted((a, b) => b.createdAt - a.createdAt || compareKeys(arn(b), arn(a)));
}

function deletions<T extends Dated>(rows: Rows<T>, arnOf: (row: T) => string) {
  return {
    delete(arns: readonly string[]) {
      for (const arn of arns) rows.delete(arn);
      return Promise.resolve();
    },
    deleteOfService(serviceArn: string) {
      for (const row of newestFirst(rows.values(), serviceArn, arnOf)) rows.delete(arnOf(row));
      return Promise.resolve();
    },
  };
}

export function serviceDeploymentTable(undo: UndoLog): ServiceDeploymentTable {
  const rows = new Rows<ServiceDeployment>(undo);
  const arnOf = (row: ServiceDeployment): string => row.serviceDeploymentArn;
  return {
    get: (arn) => Promise.resolve(rows.get(arn)),
    put: (deployment) => Promise.resolve(rows.put(arnOf(deployment), deployment)),
    list({ serviceArn, statuses, createdAfter, createdBefore }, page) {
      const found = newestFirst(rows.values(), serviceArn, arnOf).filter(
        (row) =>
          (statuses === undefined || statuses.includes(row.status)) &&
          (createdAfter === undefined || row.createdAt > createdAfter) &&
          (createdBefore === undefined || row.createdAt < createdBefore) &&
          (page.after === undefined || comesAfter(row, page.after)),
      );
      const key = (row: ServiceDeployment): string => `${row.createdAt} ${arnOf(row)}`;
      return Promise.resolve(toPage(found.slice(0, rowsForPage(page)), page, key, (row) => row));
    },
    servicesWithMoreThan(count) {
      const byService = Map.groupBy(rows.values(), ({ serviceArn }) => serviceArn);
      return Promise.resolve([...byService].filter(([, all]) => all.length > count).map(([serviceArn]) => serviceArn));
    },
    ...deletions(rows, arnOf),
  };
}

function comesAfter({ createdAt, serviceDeploymentArn }: ServiceDeployment, key: string): boolean {
  const [time = '', arn = ''] = key.split(' ');
  return createdAt - Number(time) < 0 || (createdAt === Number(time) && compareKeys(serviceDeploymentArn, arn) < 0);
}

export function serviceRevisionTable(undo: UndoLog): ServiceRevisionTable {
  const rows = new Rows<ServiceRevision>(undo);
  const arnOf = (row: ServiceRevision): string => row.serviceRevisionArn;
  return {
    get: (arn) => Promise.resolve(rows.get(arn)),
    put: (revision) => Promise.resolve(rows.put(arnOf(revision), revision)),
    all: (serviceArn) => Promise.resolve(newestFirst(rows.values(), serviceArn, arnOf)),
    ...deletions(rows, arnOf),
  };
}
