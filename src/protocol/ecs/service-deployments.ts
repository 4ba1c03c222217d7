/** Requests about the history of services: their deployments and revisions. */
import { z } from 'zod';
import { serviceDeploymentStatuses } from '#model/service-deployment.ts';
import { clusterReference, listFrom1To, nonEmptyText, page, reference } from './shared.ts';

/** Epoch seconds, as AWS JSON writes times. */
const time = z.number({ error: 'expected a time in seconds since 1970' });

export const listServiceDeployments = z.strictObject({
  cluster: clusterReference,
  service: reference,
  status: z.array(z.enum(serviceDeploymentStatuses)).exactOptional(),
  createdAt: z.strictObject({ before: time.exactOptional(), after: time.exactOptional() }).exactOptional(),
  ...page,
});

export const describeServiceDeployments = z.strictObject({ serviceDeploymentArns: listFrom1To(reference, 20) });

export const describeServiceRevisions = z.strictObject({ serviceRevisionArns: listFrom1To(reference, 20) });

export const stopServiceDeployment = z.strictObject({
  serviceDeploymentArn: reference,
  stopType: z.enum(['ABORT', 'ROLLBACK']).exactOptional(),
});

export const continueServiceDeployment = z.strictObject({
  serviceDeploymentArn: reference,
  hookId: nonEmptyText,
  action: z.enum(['CONTINUE', 'ROLLBACK']).exactOptional(),
});
