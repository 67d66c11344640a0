import { quoteLiteral } from '../sql/identifier.ts'

// To switch row security on, or to make a policy, waits for everybody who has the table open, and everybody who comes meanwhile waits
// behind that: a program that starts must not do it where nothing is to be changed. All may be said again.

/** @internal @param table as SQL */
export const rowSecurity = (table: string): string => `do $rows$ begin
    if not (select c.relrowsecurity from pg_catalog.pg_class c where c.oid = ${quoteLiteral(table)}::pg_catalog.regclass) then
      alter table ${table} enable row level security;
    end if;
  end $rows$`

/**
 * A policy as it shall be; what it was made of is its comment.
 *
 * @internal
 * @param table as SQL
 * @param to roles, as SQL
 * @param condition `using (…)`, `with check (…)`
 */
export function policy(
  table: string,
  name: string,
  command: 'all' | 'insert' | 'select',
  to: readonly string[],
  condition: string,
): string {
  const text = `for ${command} to ${to.join(', ')} ${condition}`
  // Roles that were dropped are taken out of it by the server.
  const stored = `select pg_catalog.obj_description(p.oid, 'pg_policy') from pg_catalog.pg_policy p
      where p.polrelid = ${quoteLiteral(table)}::pg_catalog.regclass and p.polname = '${name}'
        and pg_catalog.cardinality(p.polroles) = ${to.length}`
  return `do $policy$ begin
    if (${stored}) is distinct from ${quoteLiteral(text)} then
      drop policy if exists ${name} on ${table};
      create policy ${name} on ${table} ${text};
      comment on policy ${name} on ${table} is ${quoteLiteral(text)};
    end if;
  end $policy$`
}
