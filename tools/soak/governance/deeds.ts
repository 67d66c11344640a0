import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import type { Findings } from '../findings.ts'
import { STATE, type State } from '../ledger.ts'
import type { Tenant } from '../tenants.ts'

/** What one operation is to have done. */
export interface Deed {
  readonly kind: 'effect' | 'told' | 'entry' | 'once'
  readonly tenant: Tenant
  readonly state: State
  /** Of an idempotent request. */
  readonly key?: string
  readonly answer?: string
}

interface Comparison {
  readonly admin: pg.Pool
  readonly tenants: readonly Tenant[]
  readonly deeds: ReadonlyMap<number, Deed>
  /** By tenant: operations of which its webhook was told, and how often. */
  readonly told: ReadonlyMap<string, ReadonlyMap<number, number>>
  readonly findings: Findings
}

type Counted = ReadonlyMap<number, number>

/** Milliseconds without progress after which what is not there yet is lost; a killed worker's lease is two seconds. */
const PATIENCE_MS = 60_000

const ENTRIES = `select tenant, request_id::bigint::int as op, count(*)::int as n from governance.audit_log
  where action = 'soak.deed' and tenant = $1 group by 1, 2`

/** Compares what was acknowledged with what came of it, and everything with whose it is. */
export async function verifyDeeds({ admin, tenants, deeds, told, findings }: Comparison) {
  const all = [...deeds]
  const wanted = (kind: Deed['kind'], { key }: Tenant, state: State) =>
    all
      .filter(([, deed]) => deed.kind === kind && deed.tenant.key === key && deed.state === state)
      .map(([op]) => op)
  let handled = 0
  for (const tenant of tenants) {
    const effects = () => effectsOf(admin, tenant, findings)
    const found = await untilThere(wanted('effect', tenant, STATE.acked), effects)
    check('effect', tenant, found)
    await untilThere(wanted('told', tenant, STATE.acked), async () => told.get(tenant.key) ?? new Map())
    check('told', tenant, told.get(tenant.key) ?? new Map(), true)
    check('entry', tenant, counted((await admin.query(ENTRIES, [tenant.key])).rows))
    await checkTimes(admin, tenant, found, findings)
    await checkOnce(admin, tenant, all, findings)
    handled += found.size
  }
  const deliveries = [...told.values()].flatMap((one) => [...one.values()])
  return { handled, delivered: deliveries.length, again: deliveries.filter((times) => times > 1).length }

  function check(kind: Deed['kind'], tenant: Tenant, found: Counted, mayRepeat = false): void {
    for (const op of wanted(kind, tenant, STATE.acked))
      if (!found.has(op)) findings.add('lost', `op ${op} of ${tenant.key}: acknowledged, and no ${kind}`)
    for (const op of wanted(kind, tenant, STATE.rejected))
      if (found.has(op)) findings.add('rejected-but-committed', `op ${op} of ${tenant.key}: ${kind}`)
    for (const [op, times] of found)
      if (times > 1 && !mayRepeat) findings.add('twice', `op ${op} of ${tenant.key}: ${kind}, ${times} times`)
    for (const [op, deed] of all)
      if (found.has(op) && deed.tenant.key !== tenant.key)
        findings.add('leak', `op ${op} of ${deed.tenant.key}: its ${kind} is with ${tenant.key}`)
  }
}

const counted = (rows: readonly { op: number; n: number }[]): Map<number, number> =>
  new Map(rows.map(({ op, n }) => [op, n]))

async function effectsOf(admin: pg.Pool, { schema, key }: Tenant, findings: Findings): Promise<Counted> {
  const { rows } = await admin.query<{ op: number; n: number; tenant: string }>(
    `select op::int as op, count(*)::int as n, min(tenant) as tenant from "${schema}".soak_effect group by op`,
  )
  for (const { op, tenant } of rows)
    if (tenant !== key) findings.add('leak', `op ${op} of ${tenant}: its event was handled in ${key}`)
  return counted(rows)
}

/** As long as more of it comes. */
async function untilThere(wanted: readonly number[], look: () => Promise<Counted>): Promise<Counted> {
  let [least, since] = [Number.POSITIVE_INFINITY, performance.now()]
  for (;;) {
    const found = await look()
    const missing = wanted.filter((op) => !found.has(op)).length
    if (missing < least) [least, since] = [missing, performance.now()]
    if (missing === 0 || performance.now() - since > PATIENCE_MS) return found
    await delay(100)
  }
}

/** A handler's row and its count are one transaction, and the row is there once by its key. */
async function checkTimes(
  admin: pg.Pool,
  { schema, key }: Tenant,
  found: Counted,
  findings: Findings,
): Promise<void> {
  const { rows } = await admin.query<{ n: string; rows: string }>(
    `select n, (select count(*) from "${schema}".soak_effect) as rows from "${schema}".soak_times`,
  )
  const [row] = rows
  if (row && row.n !== row.rows)
    findings.add('twice', `${key}: ${row.rows} effects by key, done ${row.n} times (${found.size} seen)`)
}

async function checkOnce(
  admin: pg.Pool,
  { schema, key: tenant }: Tenant,
  all: readonly (readonly [number, Deed])[],
  findings: Findings,
): Promise<void> {
  const { rows } = await admin.query<{ key: string; n: number; op: string; tenant: string }>(
    `select key, count(*)::int as n, min(op)::text as op, min(tenant) as tenant from "${schema}".soak_once group by key`,
  )
  const done = new Map(rows.map((row) => [row.key, row]))
  for (const row of rows) {
    if (row.n > 1) findings.add('twice', `${tenant}: the request ${row.key} was done ${row.n} times`)
    if (row.tenant !== tenant)
      findings.add('leak', `the request ${row.key} of ${row.tenant} was done in ${tenant}`)
  }
  for (const [op, { kind, state, key = '', answer, tenant: own }] of all) {
    if (kind !== 'once' || state !== STATE.acked || own.key !== tenant) continue
    const row = done.get(key)
    if (row === undefined)
      findings.add('lost', `op ${op} of ${tenant}: the request ${key} was answered, not done`)
    else if (row.op !== answer)
      findings.add(
        'twice',
        `op ${op} of ${tenant}: answered as ${answer}, the request ${key} was done by ${row.op}`,
      )
  }
}
