import {
  type CheckFinding,
  type CheckMeasure,
  type CheckPlace,
  type Row,
  sqlStateOf,
  type TenancyCheck,
  type TenantKey,
} from '@org/core'
import { schemaOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { tenantsWithNames } from '../registry/record.ts'
import { qualify } from '../sql/identifier.ts'

/** Runs one statement in a transaction that cannot change anything. */
type Look = <R extends object>(sql: string, values?: readonly unknown[]) => Promise<R[]>

// $1 schema prefix, $2 level.
const SCHEMAS = (
  tenant: string,
) => `select coalesce(t.schema_name, $1 || t.key) as name from ${tenantsWithNames(tenant)}
  where t.prefix = $1 and t.isolation = $2 and t.status in ('active', 'suspended') order by 1`

/** Where checks of other packages look: in the registry's database, or in that of a tenant. */
export function placeOf(look: Look, lifecycle: Lifecycle, tenant?: TenantKey): CheckPlace {
  const { level, naming, ofLevel, registry } = lifecycle
  return {
    tenant,
    query: async <R extends object = Row>(text: string, values?: readonly unknown[]) => {
      const rows = await look<R>(text, values)
      return { rows, rowCount: rows.length }
    },
    schemas: async () => {
      if (tenant !== undefined) return [schemaOf(naming, tenant)]
      if (ofLevel.row) return [ofLevel.row.schema]
      if (traitsOf(level).ownDatabase) return []
      const table = qualify(registry.controlSchema, 'tenant')
      const rows = await look<{ name: string }>(SCHEMAS(table), [naming.schemaPrefix, level])
      return rows.map(({ name }) => name)
    },
  }
}

/** What PostgreSQL refuses ends this check alone. Locks it took are given back. */
export async function runCheck<T extends CheckFinding>(
  look: Look,
  { name }: TenancyCheck,
  run: () => Promise<readonly T[]> | undefined,
): Promise<readonly T[] | CheckFinding> {
  await look('savepoint brought')
  try {
    return (await run()) ?? []
  } catch (error) {
    const state = sqlStateOf(error)
    if (state === undefined) throw error
    return {
      code: 'CHECK_FAILED',
      severity: 'warning',
      subject: name,
      message: `The check ${name} could not be carried out (SQLSTATE ${state}).`,
      fix: 'See that the administrator owns what it looks at, and that it is of this release.',
    }
  } finally {
    await look('rollback to savepoint brought')
    await look('release savepoint brought')
  }
}

/** What has passed its threshold; a check that cannot be carried out is `doctor`'s to tell. */
export async function measuresOf(look: Look, lifecycle: Lifecycle): Promise<readonly CheckMeasure[]> {
  const place = placeOf(look, lifecycle)
  const found: CheckMeasure[] = []
  for (const check of lifecycle.checks ?? []) {
    const measures = await runCheck(look, check, () => check.measure?.(place))
    if (Array.isArray(measures)) found.push(...measures)
  }
  return found
}
