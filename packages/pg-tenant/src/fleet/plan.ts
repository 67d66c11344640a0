import { TenancyError, type TenantKey } from '@org/core'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { checksumsOf } from '../migrations/migrations.ts'
import type { Script } from '../migrations/script.ts'
import { readRegistry } from '../registry/read.ts'
import { qualify } from '../sql/identifier.ts'
import type { MigrateSettings } from './options.ts'

/** A tenant that lacks something, as the registry knows it. */
export interface Behind {
  readonly tenant: TenantKey
  readonly status: 'active' | 'suspended'
  /** Ordinals of the migrations it has. */
  readonly has: readonly number[]
}

/** Milliseconds that a query over all tenants may take. */
export const WHOLE_FLEET_MS = 600_000

interface FoundRow {
  readonly key: string
  readonly status: 'active' | 'suspended'
  readonly has: readonly number[]
  readonly unknown: string | null
  readonly edited: string | null
}

// $1 prefix, $2 level, $3 ids and $4 their checksums in order, several apart by a space, $5 ordinals that are asked for, $6 only, $7 except, $8 recheck. A
// tenant whose history does not fit is returned whether it was selected or not: then nothing is run at all.
//
// A full join cannot be a nested loop, which the planner takes while the tables have no statistics (a fleet just made) and
// which reads every history for every tenant. The CASE keeps it from being turned into a left join. OFFSET 0 keeps checksums out of what is
// grouped: of a million rows 24 MB go through temporary files, and not 146.
export const BEHIND = (tenant: string, migration: string) => `
with wanted as (
  select id, string_to_array(checksums, ' ') as checksums, ordinal::int
  from unnest($3::text[], $4::text[]) with ordinality as w (id, checksums, ordinal)
), kept as (
  select m.key, case when w.id is null then m.id end as unknown, case when m.checksum <> all (w.checksums) then m.id end as edited,
    w.ordinal = any ($5::int[]) as asked
  from ${migration} m left join wanted w on w.id = m.id where m.prefix = $1 offset 0
), history as (
  select key, count(*) filter (where asked and edited is null) as asked, min(unknown) as unknown, min(edited) as edited
  from kept group by key
), fleet as (
  select key, status from ${tenant} where prefix = $1 and isolation = $2 and status in ('active', 'suspended')
)
select t.key, t.status, h.unknown, h.edited, array(
  select w.ordinal from ${migration} m join wanted w on w.id = m.id
  where m.prefix = $1 and m.key = t.key and m.checksum = any (w.checksums)) as has
from fleet t full join history h on h.key = t.key
where case when t.key is null then false
  else h.unknown is not null or h.edited is not null
    or (($8 or coalesce(h.asked, 0) < cardinality($5::int[]))
      and ($6::text[] is null or t.key = any ($6)) and ($7::text[] is null or t.key <> all ($7)))
  end
order by t.key collate "C"`

/**
 * Who is behind: one query for the whole fleet.
 *
 * @throws TenancyError CONFLICT when a tenant has a migration that was edited or that this program does not know
 */
export async function whoIsBehind(
  { adminPool, registry, level }: Lifecycle,
  scripts: readonly Script[],
  asked: readonly number[],
  { only, except, limit, recheck }: Pick<MigrateSettings, 'only' | 'except' | 'limit' | 'recheck'>,
): Promise<Behind[]> {
  const { controlSchema, prefix } = registry
  const text = BEHIND(qualify(controlSchema, 'tenant'), qualify(controlSchema, 'tenant_migration'))
  const rows = await readRegistry<FoundRow>(
    adminPool,
    text,
    [
      prefix,
      level,
      scripts.map(({ id }) => id),
      scripts.map(checksumsOf),
      asked,
      only ?? null,
      except ?? null,
      recheck ?? false,
    ],
    WHOLE_FLEET_MS,
  )
  for (const row of rows) requireKnown(row.key, row, rows)
  const selected = limit === undefined ? rows : rows.slice(0, limit)
  return selected.map(({ key, status, has }) => ({ tenant: key as TenantKey, status, has }))
}

/** @throws TenancyError CONFLICT */
export function requireKnown(
  tenant: string,
  { unknown, edited }: Pick<FoundRow, 'unknown' | 'edited'>,
  all: readonly Pick<FoundRow, 'unknown' | 'edited'>[] = [],
): void {
  const migration = edited ?? unknown
  if (migration === null) return
  const tenants = all.filter((one) => one.edited !== null || one.unknown !== null).length
  throw new TenancyError(
    'CONFLICT',
    edited !== null
      ? 'A migration was edited after it had been applied. Put it back as it was and add a new one. Nothing was run.'
      : 'A tenant has a migration this program does not know: it was made by a newer release, or its file was removed. ' +
          'Deploy that release, or put the file back. Nothing was run.',
    { details: { migration, tenant, ...(tenants > 0 && { tenants }) } },
  )
}

/**
 * A `contract` migration takes away what an `expand` one before it has copied: it never runs without it.
 *
 * @throws TenancyError CONFLICT
 */
export function requireExpanded(
  scripts: readonly Script[],
  asked: ReadonlySet<number>,
  { tenant, has }: Behind,
): void {
  const next = scripts.findLast(({ ordinal, phase }) => phase === 'contract' && lacks(ordinal, asked, has))
  const before = scripts.find(
    ({ ordinal, phase }) =>
      phase === 'expand' && ordinal < (next?.ordinal ?? 0) && !asked.has(ordinal) && !has.includes(ordinal),
  )
  if (!next || !before) return
  throw new TenancyError(
    'CONFLICT',
    `Migration ${next.id} (contract) comes after ${before.id} (expand), which this tenant lacks. Run migrate with ` +
      'phase: "expand" first. Nothing was run.',
    { details: { migration: next.id, lacks: before.id, tenant } },
  )
}

function lacks(ordinal: number, asked: ReadonlySet<number>, has: readonly number[]): boolean {
  return asked.has(ordinal) && !has.includes(ordinal)
}
