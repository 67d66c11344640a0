import type { Migration, TenantQueryable } from '@org/core'
import { z } from 'zod'
import type { Envelopes } from '../../src/envelope/envelopes.ts'
import type { SealedTable } from '../../src/index.ts'
import { defineSettings, type Settings, secret } from '../../src/index.ts'

/** Credentials by uuid, and tokens by two columns, one of them with a name that needs quoting. */
export const MORE: Migration = {
  id: '0002_more',
  sql: `create table integration_credential (id uuid primary key default gen_random_uuid(), data_encrypted text);
create table "Odd ""table" ("the key" text, n integer, "the value" text, primary key ("the key", n))`,
}

export const CREDENTIALS: SealedTable = {
  table: 'integration_credential',
  key: { column: 'id', type: 'uuid' },
  value: 'data_encrypted',
}

export const ODD: SealedTable = {
  table: 'Odd "table',
  key: ['the key', { column: 'n', type: 'integer' }],
  value: 'the value',
  nameOf: (key, n) => `${key}/${n}`,
}

const definitions = {
  s0: secret(z.string()),
  s1: secret(z.string()),
  s2: secret(z.string()),
  s3: secret(z.string()),
  s4: secret(z.string()),
  open: z.string(),
}
export const SECRETS = ['s0', 's1', 's2', 's3', 's4'] as const

export function settingsWith(secrets: Envelopes): Settings<typeof definitions> {
  return defineSettings(definitions, { secrets })
}

/** Sets all of a tenant's settings, each secret to `<tenant> <key>`. */
export async function fill(db: TenantQueryable, secrets: Envelopes): Promise<void> {
  const values = SECRETS.map((key) => [key, `${db.tenant} ${key}`] as const)
  await settingsWith(secrets).setMany(
    db,
    Object.fromEntries(values) as Record<(typeof SECRETS)[number], string>,
  )
  await settingsWith(secrets).set(db, 'open', 'enc:v1:in the open')
}

/** Whether all of a tenant's secrets read as {@link fill} made them. */
export async function intact(db: TenantQueryable, secrets: Envelopes): Promise<boolean> {
  const all = await settingsWith(secrets).list(db, { reveal: SECRETS })
  return SECRETS.every((key) => all[key]?.value === `${db.tenant} ${key}`)
}
