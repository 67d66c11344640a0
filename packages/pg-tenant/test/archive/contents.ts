import { quoteIdentifier } from '../../src/sql/identifier.ts'
import type { World } from '../support/world.ts'

const RELATIONS = `select relname as name, relkind = 'S' as sequence, relispopulated as populated from pg_class where relnamespace = $1::regnamespace
  and relkind in ('r', 'm', 'S') and left(relname, 8) <> '_tenant_' order by 1`

/** Every row of every table of a tenant as text, in a fixed order; long rows as their beginning and a digest. */
export async function contents(world: Pick<World, 'root'>, key: string): Promise<Record<string, string[]>> {
  const schema = quoteIdentifier(`c_${key}`)
  const client = await world.root.connect()
  try {
    await client.query(`set search_path to ${schema}`)
    const { rows } = await client.query<{ name: string; sequence: boolean; populated: boolean }>(RELATIONS, [
      schema,
    ])
    const found: Record<string, string[]> = {}
    for (const { name, sequence, populated } of rows) {
      // A materialized view WITH NO DATA cannot be read.
      if (!populated) {
        found[name] = ['WITH NO DATA']
        continue
      }
      const row = sequence ? 'row(last_value, is_called)' : 't'
      const { rows: lines } = await client.query<{ line: string }>(
        `select left(${row}::text, 40) || md5(${row}::text) as line from only ${schema}.${quoteIdentifier(name)} t order by 1`,
      )
      found[name] = lines.map(({ line }) => line)
    }
    return found
  } finally {
    await client.query('reset all')
    client.release()
  }
}

const FACTS = `select 'trigger' as kind, tgrelid::regclass::text as on, tgname::text as name, tgenabled::text as how
    from pg_trigger join pg_class c on c.oid = tgrelid where relnamespace = $1::regnamespace and not tgisinternal
  union all select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) || convalidated
    from pg_constraint where connamespace = $1::regnamespace and conrelid <> 0
  union all select 'owner', oid::regclass::text, relkind::text, (relowner = to_regrole($2))::text
    from pg_class where relnamespace = $1::regnamespace and left(relname, 8) <> '_tenant_'
  union all select 'partition', oid::regclass::text, '', pg_get_expr(relpartbound, oid)
    from pg_class where relnamespace = $1::regnamespace and relispartition
  order by 1, 2, 3`

/** What a tenant's schema is made of, without its own name. */
export async function facts(world: World, key: string): Promise<{ kind: string; name: string }[]> {
  const client = await world.root.connect()
  try {
    const schema = quoteIdentifier(`c_${key}`)
    await client.query(`set search_path to ${schema}`)
    return (await client.query(FACTS, [schema, quoteIdentifier(world.rolePrefix + key)])).rows
  } finally {
    await client.query('reset all')
    client.release()
  }
}
