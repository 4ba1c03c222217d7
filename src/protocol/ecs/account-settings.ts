/** Requests about account settings. Their values are text; which values a name takes is decided where they are stored. */
import { z } from 'zod';
import { integer, nonEmptyText } from './shared.ts';

export const accountSettingNames = [
  'serviceLongArnFormat',
  'taskLongArnFormat',
  'containerInstanceLongArnFormat',
  'awsvpcTrunking',
  'containerInsights',
  'fargateFIPSMode',
  'tagResourceAuthorization',
  'fargateTaskRetirementWaitPeriod',
  'guardDutyActivate',
  'defaultLogDriverMode',
  'fargateEventWindows',
] as const;
export type AccountSettingName = (typeof accountSettingNames)[number];

const name = z.enum(accountSettingNames);
const principalArn = z.string().exactOptional();

export const putAccountSetting = z.strictObject({ name, value: nonEmptyText, principalArn });

export const putAccountSettingDefault = z.strictObject({ name, value: nonEmptyText });

export const deleteAccountSetting = z.strictObject({ name, principalArn });

export const listAccountSettings = z.strictObject({
  name: name.exactOptional(),
  value: z.string().exactOptional(),
  principalArn,
  effectiveSettings: z.boolean().exactOptional(),
  nextToken: z.string().exactOptional(),
  /** The settings are few: this one list of ECS has pages of 10. */
  maxResults: integer(1, 10).exactOptional(),
});
