import { parseTenantKey, type Queryable } from '@org/core'
import { textOf } from '../input/input.ts'
import { qualify } from '../sql/identifier.ts'

/** A tenant of which nothing is removed. */
export interface LegalHold {
  readonly tenant: string
  readonly reason: string
  /** ISO 8601. */
  readonly since: string
}

/** @internal */
export async function placeHold(
  control: Queryable,
  schema: string,
  tenant: string,
  reason: string,
): Promise<boolean> {
  const { rowCount } = await control.query(
    `insert into ${qualify(schema, 'legal_hold')} (tenant, reason) values ($1::text, $2::text) on conflict do nothing`,
    [parseTenantKey(tenant, { prefix: '' }), textOf(reason, 'reason', 1_000)],
  )
  return rowCount === 1
}

/** @internal */
export async function releaseHold(control: Queryable, schema: string, tenant: string): Promise<boolean> {
  const { rowCount } = await control.query(
    `update ${qualify(schema, 'legal_hold')} set released_at = now() where tenant = $1::text and released_at is null`,
    [parseTenantKey(tenant, { prefix: '' })],
  )
  return rowCount === 1
}

/** @internal */
export async function listHolds(control: Queryable, schema: string): Promise<readonly LegalHold[]> {
  const { rows } = await control.query<LegalHold>(
    `select tenant, reason, to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as since
      from ${qualify(schema, 'legal_hold')} where released_at is null order by tenant`,
  )
  return rows
}
