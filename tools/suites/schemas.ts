import pg from 'pg'

/**
 * Stands in for `create schema` and `drop schema` of a suite that begins each test with them: schemas are an administrator's,
 * so an administrator makes them, for the tenant's role; `public` is the tenant's own schema, which is emptied instead.
 */
export function schemaCommands(connectionString: string, role: string, schema: string) {
  const admin = new pg.Pool({ connectionString, max: 1, allowExitOnIdle: true })
  return async (text: string): Promise<pg.QueryResult | undefined> => {
    const [, command = '', name = ''] = COMMAND.exec(text) ?? []
    if (command === '') return undefined
    if (name === 'public') return await admin.query(command === 'drop' ? EMPTY(schema) : 'select')
    if (command === 'drop')
      return await admin.query(`drop schema if exists ${pg.escapeIdentifier(name)} cascade`)
    return await admin.query(
      `create schema if not exists ${pg.escapeIdentifier(name)} authorization ${pg.escapeIdentifier(role)}`,
    )
  }
}

const COMMAND = /^\s*(create|drop) schema (?:if (?:not )?exists )?"?(\w{1,60})"?(?: cascade)?\s*;?\s*$/i

/** Everything in the schema but what makes it a tenant's. */
const EMPTY = (schema: string): string => `do $$
declare command text;
begin
  for command in
    select format('drop %s if exists %s cascade',
      case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end, oid::regclass)
    from pg_class
    where relnamespace = '${schema}'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S') and left(relname, 7) <> '_tenant'
    order by relkind = 'S'
  loop
    execute command;
  end loop;
  for command in
    select format('drop type if exists %s cascade', oid::regtype)
    from pg_type where typnamespace = '${schema}'::regnamespace and typtype in ('e', 'd')
  loop
    execute command;
  end loop;
end $$`
