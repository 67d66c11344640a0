import { quoteIdentifier } from '../../../sql/identifier.ts'

/** A place of the system catalogue that holds a function or an expression, as `pg_trigger.tgfoid`. */
export type CataloguePlace = `pg_${string}.${string}`

/** One kind of code that PostgreSQL lets a tenant own. */
export interface Kind {
  readonly id: string
  /** Where the catalogue keeps it. */
  readonly places: readonly CataloguePlace[]
  /** SQL of the tenant; `$S` is its schema, `$P` calls the probe. */
  readonly plant: readonly string[]
  /** SQL that makes it run; none for what only other code runs. */
  readonly fire: readonly string[]
  /** `rows`: a relation whose rows come out of it by SELECT. */
  readonly rows?: string
  /** Needs to own the table that migrations made: not at level `schema`, where scopes do not run as its owner. */
  readonly owner?: true
  /** Only hostile SQL makes it: a migration would be refused. */
  readonly runtime?: true
}

export const kind = (
  id: string,
  places: readonly CataloguePlace[],
  plant: readonly string[],
  fire: readonly string[],
  more: Pick<Kind, 'rows' | 'owner' | 'runtime'> = {},
): Kind => ({ id, places, plant, fire, ...more })

export const table = (name: string, columns = 'x integer') => `create table $S.h_${name} (${columns})`
export const insert = (name: string) => `insert into $S.h_${name} values (1)`
export const trigger = (name: string, table: string, when: string, tail: string) =>
  `create trigger h_${name.replaceAll(/[.-]/g, '_')} ${when} on ${table} ${tail} execute function $S.h_fire('${name}')`

/** What the kinds stand on: functions that call the probe where a value, or immutability, is asked for. */
export const FOUNDATION: readonly string[] = [
  `create function $S.h_int(kind text, x integer) returns integer immutable language plpgsql as $f$
    begin perform $S.h_probe(kind); return x; end $f$`,
  `create function $S.h_fire() returns trigger language plpgsql as $f$
    begin perform $S.h_probe('trigger.' || tg_argv[0]); return coalesce(new, old); end $f$`,
]

/** Puts names in: `$S` the schema (left out: whatever the path finds), `$P(kind)` a call of the probe. */
export function withNames(sql: string, schema?: string): string {
  const called = sql.replaceAll(/\$P\(([\w.-]+)\)/g, `$S.h_probe('$1')`)
  if (schema !== undefined) return called.replaceAll('$S', quoteIdentifier(schema))
  // PostgreSQL 17 and later build indexes with nothing but the catalogue in the path.
  return called
    .replaceAll('$S.', '')
    .replaceAll(/( language \w+(?: security definer)?) as /g, '$1 set search_path from current as ')
}

const CALLS_OF_THE_PROBE = /\$P\(([\w.-]+)\)|h_int\('([\w.-]+)'|h_fire\('([\w.-]+)'|h_probe\('+([\w.-]+)'/g

/** How each piece of planted code names itself. */
export function namesOf({ plant, fire }: Kind): readonly string[] {
  return [...plant, ...fire]
    .flatMap((sql) =>
      [...sql.matchAll(CALLS_OF_THE_PROBE)].map(
        ([, called, value, fired, probed]) =>
          called ?? value ?? (fired ? `trigger.${fired}` : (probed ?? '')),
      ),
    )
    .filter((name) => !name.endsWith('-'))
}
