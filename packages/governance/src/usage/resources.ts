import { createHmac, type KeyObject } from 'node:crypto'
import { isTenancyError, type Queryable, TenancyError, type TenantKey, type TenantQueryable } from '@org/core'
import { invalidField } from '../input/input.ts'
import { send } from '../tenants/send.ts'
import { short, type UsageTables } from './meter.ts'

/** How much of something a tenant has, and may have. */
export interface TenantResource {
  readonly resource: string
  readonly used: number
  /** `null`: as much as it likes. */
  readonly limit: number | null
}

/** @internal Places are taken by name, the name made unguessable: only who has the key can give one back. */
export function tokenOf(key: KeyObject, tenant: string, resource: string, entity: string): Buffer {
  return createHmac('sha256', key)
    .update(JSON.stringify([tenant, resource, entity]))
    .digest()
}

/** @internal @throws TenancyError QUOTA_EXCEEDED */
export async function take(
  db: TenantQueryable,
  { hold }: UsageTables,
  key: KeyObject,
  resource: string,
  entity: string,
  amount: number,
): Promise<void> {
  const type = short(resource, 'resource')
  const token = tokenOf(key, db.tenant, type, short(entity, 'entity'))
  if (!(typeof amount === 'number' && amount > 0 && amount < 1e15))
    throw invalidField('amount', 'a number above 0')
  const sql = `insert into ${hold} (tenant, resource_type, token, amount)
    values ($1::text, $2::text, $3::bytea, $4::numeric) on conflict do nothing`
  try {
    await db.query(sql, [db.tenant, type, token, amount])
  } catch (error) {
    throw isOverLimit(error) ? exceeded(type) : error
  }
}

/** @internal Queued where the handle can. */
export async function giveBack(
  db: TenantQueryable,
  { give }: UsageTables,
  key: KeyObject,
  resource: string,
  entity: string,
): Promise<void> {
  const type = short(resource, 'resource')
  const values = [db.tenant, type, tokenOf(key, db.tenant, type, short(entity, 'entity'))]
  const sql = `insert into ${give} (tenant, resource_type, token) values ($1::text, $2::text, $3::bytea)`
  await send(db, { name: 'governance_give_back', text: sql, values })
}

/** As a driver's error, or as one that was wrapped. */
function isOverLimit(error: unknown): boolean {
  const { constraint, details } = (error ?? {}) as {
    constraint?: unknown
    details?: { constraint?: unknown }
  }
  const name = isTenancyError(error) ? details?.constraint : constraint
  return name === 'ck_tenant_resource_limit'
}

function exceeded(resource: string): TenancyError {
  return new TenancyError(
    'QUOTA_EXCEEDED',
    'The limit of this resource is reached. Free some of it, or raise the limit (setLimits).',
    { details: { resource } },
  )
}

/** @internal */
export async function setLimits(
  control: Queryable,
  { resource }: UsageTables,
  tenant: TenantKey,
  limits: Readonly<Record<string, number | null>>,
): Promise<void> {
  if (typeof limits !== 'object' || limits === null) throw invalidField('limits', 'numbers by resource')
  const entries = Object.entries(limits).map(
    ([name, limit]) => [short(name, 'resource'), limitOf(name, limit)] as const,
  )
  await control.query(
    `insert into ${resource} as r (tenant, resource_type, limit_value)
      select $1::text, t.name, t.value from unnest($2::text[], $3::numeric[]) as t (name, value) order by t.name
    on conflict (tenant, resource_type) do update set limit_value = excluded.limit_value, updated_at = now()`,
    [tenant, entries.map(([name]) => name), entries.map(([, limit]) => limit)],
  )
}

function limitOf(name: string, limit: unknown): number | null {
  if (limit === null || (typeof limit === 'number' && limit >= 0 && limit < 1e15)) return limit
  throw invalidField(name.slice(0, 200), 'a number from 0 on, or null for no limit')
}

/** @internal */
export async function listResources(
  control: Queryable,
  { resource }: UsageTables,
  tenant: TenantKey,
): Promise<readonly TenantResource[]> {
  const { rows } = await control.query<{ name: string; used: string; limit: string | null }>(
    `select r.resource_type as name, r.limit_value::text as limit,
      (case when r.period_start < date_trunc('month', now(), 'UTC') then 0 else r.used end)::text as used
    from ${resource} r where r.tenant = $1::text order by r.resource_type`,
    [tenant],
  )
  return rows.map(({ name, used, limit }) => ({
    resource: name,
    used: Number(used),
    limit: limit === null ? null : Number(limit),
  }))
}
