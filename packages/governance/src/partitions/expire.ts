import type { Queryable } from '@org/core'
import { qualify, quoteIdentifier, quoteLiteral } from '../sql/identifier.ts'
import type { PartitionedTable } from './partitions.ts'

/** @internal A partition, by its bounds. */
export interface Partition {
  readonly name: string
  /** ISO 8601, in UTC. */
  readonly since: string
  readonly until: string
  /** Whether a DETACH … CONCURRENTLY of it was cut off. */
  readonly pending: boolean
  /** Whether it still belongs to the table; one that was detached has yet to be dropped. */
  readonly attached: boolean
}

/** Bounds are read from the names, which only this package gives; of a detached one there is nothing else. */
const PARTITIONS = (
  schema: string,
  table: string,
) => `select c.relname as name, i.inhrelid is not null as attached,
    coalesce(i.inhdetachpending, false) as pending
  from pg_catalog.pg_class c
    left join pg_catalog.pg_inherits i on i.inhrelid = c.oid and i.inhparent = pg_catalog.to_regclass(${quoteLiteral(qualify(schema, table))})
  where c.relnamespace = pg_catalog.to_regnamespace(${quoteLiteral(quoteIdentifier(schema))})
    and c.relkind = 'r' and c.relname like ${quoteLiteral(`${table.replaceAll('_', '\\_')}\\_%`)}
  order by c.relname`

/** @internal Oldest first. */
export async function partitionsOf(
  admin: Queryable,
  schema: string,
  { table, period }: PartitionedTable,
): Promise<readonly Partition[]> {
  const { rows } = await admin.query<Pick<Partition, 'name' | 'attached' | 'pending'>>(
    PARTITIONS(schema, table),
  )
  return rows.flatMap((row) => {
    const bounds = boundsOf(row.name.slice(table.length + 1), period)
    return bounds ? [{ ...row, ...bounds }] : []
  })
}

function boundsOf(
  suffix: string,
  period: PartitionedTable['period'],
): Pick<Partition, 'since' | 'until'> | undefined {
  const shape = period === 'day' ? /^(\d{4})_(\d\d)_(\d\d)$/ : /^(\d{4})_(\d\d)$/
  const [, year, month, day = '1'] = shape.exec(suffix) ?? []
  if (year === undefined) return undefined
  const at = (months: number, days: number) =>
    new Date(Date.UTC(Number(year), Number(month) - 1 + months, Number(day) + days)).toISOString()
  return { since: at(0, 0), until: period === 'day' ? at(0, 1) : at(1, 0) }
}

/**
 * Takes a partition off and drops it. Detaching concurrently waits for those who use the table instead of making everybody
 * wait; one that was cut off is finished. Each is a statement of its own: neither may run in a transaction with others.
 *
 * @internal
 */
export async function dropPartition(
  admin: Queryable,
  schema: string,
  table: string,
  { name, attached, pending }: Partition,
): Promise<void> {
  const [parent, part] = [qualify(schema, table), qualify(schema, name)]
  if (pending) await admin.query(`alter table ${parent} detach partition ${part} finalize`)
  else if (attached) await admin.query(`alter table ${parent} detach partition ${part} concurrently`)
  await admin.query(`drop table if exists ${part}`)
}
