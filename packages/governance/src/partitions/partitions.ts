import { qualify, quoteLiteral } from '../sql/identifier.ts'
import { ownersAlone } from '../sql/owners-alone.ts'

/** How long the rows of one partition are. */
export type Period = 'day' | 'month'

/** @internal A table that is partitioned by a column of type `timestamptz`, in UTC. */
export interface PartitionedTable {
  readonly table: string
  readonly period: Period
}

/** Days ahead for which partitions are made: a worker that is down for a month must not stop anybody's writes. */
export const PREMADE_DAYS = 90

/**
 * A statement that makes the missing partitions from the current period to `days` ahead, by the server's clock, in UTC. A
 * new one is made apart and then attached, which does not stop those who write meanwhile (manual 5.12.2.2). There is no
 * default partition: with one, DETACH … CONCURRENTLY is refused, and rows in it forbid the partition they belong to.
 *
 * @internal
 * @param moment SQL; another one for tests
 */
export function makePartitions(
  schema: string,
  { table, period }: PartitionedTable,
  days: number = PREMADE_DAYS,
  moment = 'pg_catalog.now()',
): string {
  const parent = qualify(schema, table)
  return `do $partitions$
declare
  first timestamp := pg_catalog.date_trunc('${period}', (${moment}) at time zone 'utc');
  last timestamp := pg_catalog.date_trunc('${period}', ((${moment}) at time zone 'utc') + interval '${days} days');
  since timestamp := first;
  name text;
  taken text;
begin
  -- One at a time, beside those who write; an advisory lock could be held by any tenant of the database.
  lock table only ${parent} in share update exclusive mode;
  while since <= last loop
    name := ${quoteLiteral(`${table}_`)} || pg_catalog.to_char(since, '${FORMAT[period]}');
    if pg_catalog.to_regclass(pg_catalog.format('%I.%I', ${quoteLiteral(schema)}, name)) is null then
      execute pg_catalog.format('create table %I.%I (like ${parent.replaceAll("'", "''")} including defaults including constraints including storage)',
        ${quoteLiteral(schema)}, name);
      ${ownersAlone(`c.oid operator(pg_catalog.=) pg_catalog.to_regclass(pg_catalog.format('%I.%I', ${quoteLiteral(schema)}, name))::pg_catalog.oid`)}
      execute pg_catalog.format('alter table ${parent.replaceAll("'", "''")} attach partition %I.%I for values from (%L) to (%L)',
        ${quoteLiteral(schema)}, name, since || '+00', (since + interval '1 ${period}') || '+00');
    end if;
    since := since + interval '1 ${period}';
  end loop;
end $partitions$`
}

const FORMAT: Readonly<Record<Period, string>> = { day: 'YYYY_MM_DD', month: 'YYYY_MM' }
