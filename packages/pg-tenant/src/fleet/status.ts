import { TenancyError } from '@org/core'
import { keyFor } from '../isolation/names.ts'
import { qualify } from '../sql/identifier.ts'
import type { Phase } from './annotations.ts'
import { ask } from './ask.ts'
import type { Fleet } from './fleet.ts'
import { readScripts } from './script.ts'

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

// $1 prefix, $2 level, $3 ids, $4 only, $5 limit.
const STATUS = (tenant: string, migration: string) => `
with fleet as (
  select key from ${tenant} where prefix = $1 and isolation = $2 and status in ('active', 'suspended')
    and ($4::text[] is null or key = any ($4))
)
select w.id, count(m.id)::int as have, (count(*) filter (where f.key is not null and m.id is null))::int as lack,
  coalesce((array_agg(f.key order by f.key collate "C") filter (where f.key is not null and m.id is null))[1:$5], '{}') as behind,
  round(avg(m.duration_ms))::int as "meanMs", max(m.duration_ms) as "slowestMs"
from unnest($3::text[]) with ordinality as w (id, ordinal)
left join fleet f on true
left join ${migration} m on m.prefix = $1 and m.key = f.key and m.id = w.id
group by w.id, w.ordinal order by w.ordinal`

/**
 * For each migration how many tenants have it and who lacks it, in one query.
 *
 * @throws TenancyError INVALID_TENANT_KEY, CONNECTION_LOST, DATABASE_ERROR
 */
export async function migrationStatus(
  { adminPool, registry, level, migrations, naming }: Fleet,
  { limit = 20, only }: MigrationStatusOptions = {},
): Promise<MigrationStatus[]> {
  if (level === 'row') {
    throw new TenancyError(
      'INVALID_OPTION',
      'At level row all tenants share their tables: none is behind another.',
      {
        details: { option: 'isolation' },
      },
    )
  }
  for (const key of only ?? []) keyFor(naming, key)
  const scripts = readScripts(migrations)
  const { controlSchema, prefix } = registry
  type Counted = Omit<MigrationStatus, 'phase' | 'transaction'>
  const rows = await ask<Counted>(
    adminPool,
    STATUS(qualify(controlSchema, 'tenant'), qualify(controlSchema, 'tenant_migration')),
    [prefix, level, scripts.map(({ id }) => id), only ?? null, limit],
  )
  const counted = new Map(rows.map((row) => [row.id, row]))
  return scripts.map(({ id, phase, transaction }) => ({
    ...(counted.get(id) ?? { id, have: 0, lack: 0, behind: [], meanMs: null, slowestMs: null }),
    phase,
    transaction,
  }))
}
