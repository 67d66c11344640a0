import { keyFor } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER as SHARED_LEDGER } from '../lifecycle/levels/row/migrations.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { type Phase, readScripts } from '../migrations/script.ts'
import { readRegistry } from '../registry/read.ts'
import { qualify } from '../sql/identifier.ts'
import { WHOLE_FLEET_MS } from './plan.ts'

/** Options of {@link migrationStatus}. */
export interface MigrationStatusOptions {
  /** At most so many keys of those behind, for each migration (default 20). */
  readonly limit?: number
  /** Only these tenants. */
  readonly only?: readonly string[]
}

/** Who has one migration. */
export interface MigrationStatus {
  readonly id: string
  readonly phase: Phase
  readonly transaction: boolean
  readonly have: number
  readonly lack: number
  /** Keys of some that lack it, in byte order. */
  readonly behind: readonly string[]
  /** Milliseconds it took, on average and at most; null while nobody has it. */
  readonly meanMs: number | null
  readonly slowestMs: number | null
}

// Who has which migration. At level `row` one history is that of all tenants.
const HELD = (migration: string) => `select id, key, duration_ms from ${migration} where prefix = $1`
const HELD_BY_ALL = (migration: string) =>
  `select m.id, f.key, m.duration_ms from ${migration} m cross join fleet f where m.prefix = $1`

// $1 prefix, $2 level, $3 ids, $4 only, $5 limit. Who lacks one is looked for only where somebody does: 100,000 tenants with ten
// migrations are a million rows. About the full join and its CASE: see BEHIND in plan.ts.
const STATUS = (tenant: string, held: string) => `
with fleet as materialized (
  select key from ${tenant} where prefix = $1 and isolation = $2 and status in ('active', 'suspended')
    and ($4::text[] is null or key = any ($4))
), held as not materialized (${held}), counted as (
  select h.id, count(*)::int as have, round(avg(h.duration_ms))::int as mean, max(h.duration_ms) as slowest
  from fleet f full join held h on h.key = f.key where case when f.key is null then false else h.id is not null end group by h.id
), everybody as (select count(*)::int as number from fleet)
select w.id, coalesce(c.have, 0) as have, number - coalesce(c.have, 0) as lack, coalesce(l.behind, '{}') as behind,
  c.mean as "meanMs", c.slowest as "slowestMs"
from everybody cross join unnest($3::text[]) with ordinality as w (id, ordinal) left join counted c on c.id = w.id
left join lateral (
  select array_agg(key order by key collate "C") as behind from (
    select f.key from fleet f where number > coalesce(c.have, 0) and not exists (select from held h where h.key = f.key and h.id = w.id)
    order by f.key collate "C" limit $5) few) l on true
order by w.ordinal`

/**
 * For each migration how many tenants have it and who lacks it, in one query, from the ledger in the control schema. At
 * level `row` all tenants share one history: all have a migration or all lack it.
 *
 * @throws TenancyError INVALID_TENANT_KEY, CONNECTION_LOST, DATABASE_ERROR
 */
export async function migrationStatus(
  { adminPool, registry, level, migrations, naming }: Lifecycle,
  { limit = 20, only }: MigrationStatusOptions = {},
): Promise<MigrationStatus[]> {
  for (const key of only ?? []) keyFor(naming, key)
  const scripts = readScripts(migrations)
  const { controlSchema, prefix } = registry
  const tenants = qualify(controlSchema, 'tenant')
  type Counted = Omit<MigrationStatus, 'phase' | 'transaction'>
  const rows = await readRegistry<Counted>(
    adminPool,
    traitsOf(level).shared
      ? STATUS(tenants, HELD_BY_ALL(qualify(controlSchema, SHARED_LEDGER)))
      : STATUS(tenants, HELD(qualify(controlSchema, 'tenant_migration'))),
    [prefix, level, scripts.map(({ id }) => id), only ?? null, limit],
    WHOLE_FLEET_MS,
  )
  const counted = new Map(rows.map((row) => [row.id, row]))
  return scripts.map(({ id, phase, transaction }) => ({
    ...(counted.get(id) ?? { id, have: 0, lack: 0, behind: [], meanMs: null, slowestMs: null }),
    phase,
    transaction,
  }))
}
