import type { TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'
import type { Receipt } from './receipt.ts'

/** Receipts are kept for good: the tombstone's other half (see the control schema's steps). */
const TABLE = 'tenant_offboarding'
const tableOf = ({ controlSchema }: RegistryPlace) => qualify(controlSchema, TABLE)

/** Where an off-boarding stands. */
export interface Offboarding {
  readonly receipt: Receipt
  /** The status the tenant goes back to when its backup fails. */
  readonly cameFrom: 'active' | 'suspended'
  /** Whether no scope is open any more and none opens; not backed up before this. */
  readonly closed: boolean
  /** Nothing may be dropped before this. */
  readonly backedUp: boolean
}

/** The newest off-boarding of a tenant. */
export async function latest(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
): Promise<Offboarding | undefined> {
  const [row] = await admin.run(
    `select state from ${tableOf(place)} where prefix = $1 and key = $2 order by started_at desc limit 1`,
    [place.prefix, tenant],
  )
  return row?.state as Offboarding | undefined
}

export async function open(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
  state: Offboarding,
): Promise<void> {
  await admin.run(
    `insert into ${tableOf(place)} (prefix, key, started_at, state) values ($1, $2, $3, $4::jsonb)`,
    [place.prefix, tenant, state.receipt.startedAt, JSON.stringify(state)],
  )
}

export async function save(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
  state: Offboarding,
): Promise<void> {
  await admin.run(
    `update ${tableOf(place)} set state = $4::jsonb, finished_at = $5
     where prefix = $1 and key = $2 and started_at = $3`,
    [place.prefix, tenant, state.receipt.startedAt, JSON.stringify(state), state.receipt.finishedAt],
  )
}

/** Forgets an off-boarding that was called off. */
export async function discard(
  admin: Admin,
  place: RegistryPlace,
  tenant: TenantKey,
  { receipt }: Offboarding,
): Promise<void> {
  await admin.run(`delete from ${tableOf(place)} where prefix = $1 and key = $2 and started_at = $3`, [
    place.prefix,
    tenant,
    receipt.startedAt,
  ])
}
