/**
 * PutAccountSetting, PutAccountSettingDefault, DeleteAccountSetting, ListAccountSettings. A caller's own setting wins over the
 * account's default, which wins over ECS's.
 */
import type { Realm } from '#model/arn.ts';
import { accountSettingNames, type AccountSettingName } from '#protocol/ecs/account-settings.ts';
import { invalidParameter } from '#protocol/ecs/errors.ts';
import type { AccountSetting, StoreTransaction } from '../store/store.ts';
import type { Handlers, HandlerContext } from './handler.ts';
import { paged, pageOf } from './paging.ts';

interface SettingRule {
  initial: string;
  values: readonly string[];
}

const onlyEnabled: SettingRule = { initial: 'enabled', values: ['enabled'] };
const initiallyDisabled: SettingRule = { initial: 'disabled', values: ['enabled', 'disabled'] };
const initiallyOff: SettingRule = { initial: 'off', values: ['on', 'off'] };

/** ARNs have the long format here and nothing else, so those three cannot be turned off. */
const rules: Readonly<Record<AccountSettingName, SettingRule>> = {
  serviceLongArnFormat: onlyEnabled,
  taskLongArnFormat: onlyEnabled,
  containerInstanceLongArnFormat: onlyEnabled,
  awsvpcTrunking: initiallyDisabled,
  containerInsights: { initial: 'disabled', values: ['enabled', 'disabled', 'enhanced'] },
  fargateFIPSMode: initiallyDisabled,
  tagResourceAuthorization: initiallyOff,
  fargateTaskRetirementWaitPeriod: { initial: '7', values: ['0', '7', '14'] },
  guardDutyActivate: initiallyOff,
  defaultLogDriverMode: { initial: 'non-blocking', values: ['blocking', 'non-blocking'] },
  fargateEventWindows: initiallyDisabled,
};

/** Stored in place of a principal for the account's defaults. */
const everybody = '*';

export const accountSettingHandlers: Handlers<
  'PutAccountSetting' | 'PutAccountSettingDefault' | 'DeleteAccountSetting' | 'ListAccountSettings'
> = {
  async PutAccountSetting(context, { name, value, principalArn = context.principal.arn }) {
    return put(context, { principalArn: storedPrincipal(context.realm, principalArn), name, value });
  },

  async PutAccountSettingDefault(context, { name, value }) {
    return put(context, { principalArn: everybody, name, value });
  },

  async DeleteAccountSetting({ store, realm, principal }, { name, principalArn = principal.arn }) {
    const stored = storedPrincipal(realm, principalArn);
    const value = await store.write(async (tx) => {
      await tx.accountSettings.delete(stored, name);
      return effectiveSetting(tx, stored, name);
    });
    return { setting: shown(realm, { principalArn: stored, name, value }) };
  },

  async ListAccountSettings({ store, realm, principal }, input) {
    const { name, value, principalArn = principal.arn, effectiveSettings = false } = input;
    const stored = storedPrincipal(realm, principalArn);
    const all = await store.read((tx) => tx.accountSettings.list());
    const candidates = effectiveSettings
      ? accountSettingNames.map((each) => ({ principalArn: stored, name: each, value: effective(all, stored, each) }))
      : all.filter((setting) => setting.principalArn === stored);
    const matching = candidates
      .filter((setting) => name === undefined || setting.name === name)
      .filter((setting) => value === undefined || setting.value === value);
    const filters = { operation: 'ListAccountSettings', name, value, stored, effectiveSettings };
    const { items, token } = await paged({ maxResults: 10, ...input }, filters, async (page) =>
      pageOf(matching, (setting) => setting.name, page),
    );
    return { settings: items.map((setting) => shown(realm, setting)), ...token };
  },
};

/** The value that holds for a principal. */
export async function effectiveSetting(
  tx: StoreTransaction,
  principalArn: string,
  name: AccountSettingName,
): Promise<string> {
  return effective(await tx.accountSettings.list(), principalArn, name);
}

function effective(all: readonly AccountSetting[], principalArn: string, name: AccountSettingName): string {
  const own = all.find((setting) => setting.name === name && setting.principalArn === principalArn);
  const account = all.find((setting) => setting.name === name && setting.principalArn === everybody);
  return (own ?? account)?.value ?? rules[name].initial;
}

async function put(
  { store, realm }: HandlerContext,
  setting: { principalArn: string; name: AccountSettingName; value: string },
): Promise<object> {
  const { values } = rules[setting.name];
  if (!values.includes(setting.value)) {
    throw invalidParameter(
      `Invalid value '${setting.value}' for ${setting.name}: expected one of ${values.join(', ')}.`,
    );
  }
  await store.write((tx) => tx.accountSettings.put(setting));
  return { setting: shown(realm, setting) };
}

/** The account's root stands for the account's defaults. */
function storedPrincipal(realm: Realm, principalArn: string): string {
  return principalArn === rootArn(realm) ? everybody : principalArn;
}

function rootArn({ partition, accountId }: Realm): string {
  return `arn:${partition}:iam::${accountId}:root`;
}

function shown(realm: Realm, { principalArn, name, value }: AccountSetting): object {
  return { name, value, principalArn: principalArn === everybody ? rootArn(realm) : principalArn, type: 'user' };
}
