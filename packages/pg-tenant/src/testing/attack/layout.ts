import type { Migration } from '@org/core'
import type { IsolationLevel } from '../../isolation/isolation.ts'
import { TENANT_SETTING } from '../../isolation/row.ts'
import { traitsOf } from '../../isolation/traits.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import type { TenancyOptions } from '../../tenancy/options.ts'

const NOTES: Migration = {
  id: '0001_notes',
  sql: 'create table notes (id bigint generated always as identity primary key, body text not null)',
}

const SHARED_NOTES: Migration = {
  id: '0001_notes',
  sql: `create table notes (tenant_id text not null, id bigint generated always as identity, body text not null,
    primary key (tenant_id, id))`,
}

/** A query on the table of one tenant, and what makes its owner see it. */
export interface OwnerQuery {
  readonly sql: string
  readonly values: readonly unknown[]
}

/** Where a pair of victims lives, and by what names. */
export interface Layout {
  /** How a tenancy finds it. */
  readonly options: Pick<
    TenancyOptions,
    'schemaPrefix' | 'rolePrefix' | 'controlSchema' | 'sharedSchemas' | 'sharedTables' | 'migrations' | 'row'
  >
  readonly sharedSchema: string
  /** The schema with the tables of all tenants, where they share them. */
  readonly rowSchema: string | undefined
  schemaOf(tenant: string): string
  roleOf(tenant: string): string
  /** What the owner of the tenant's tables says first, in its transaction. */
  becomeOwner(tenant: string): OwnerQuery | undefined
  /** The bodies of the tenant's notes, for the owner, or for a superuser in its place. */
  bodiesOf(tenant: string): OwnerQuery
}

/**
 * Everything in it begins with `prefix`.
 *
 * @param distributed whether the administrator owns what is in a schema
 * @param pair at level `row` each pair of victims has shared tables of its own: attacks take them down
 */
export function layoutOf(
  isolation: IsolationLevel,
  prefix: string,
  pair: number,
  distributed = false,
): Layout {
  const sharedSchema = `${prefix}shared`
  const [rowPrefix, rowSchema] = [`${prefix}${pair}_`, `${prefix}rows${pair}`]
  const { shared: isRow } = traitsOf(isolation)
  const schemaOf = (tenant: string) => (isRow ? rowSchema : prefix + tenant)
  const roleOf = (tenant: string) => prefix + tenant
  const notesOf = (tenant: string) => qualify(schemaOf(tenant), 'notes')
  return {
    options: {
      schemaPrefix: isRow ? rowPrefix : prefix,
      rolePrefix: prefix,
      controlSchema: `${prefix}control`,
      sharedSchemas: [sharedSchema],
      // The bait of the attacks on names that fall through, and what falls there.
      sharedTables: [{ name: `${sharedSchema}.*`, write: true }],
      migrations: [isRow ? SHARED_NOTES : NOTES],
      ...(isRow && { row: { schema: rowSchema } }),
    },
    sharedSchema,
    rowSchema: isRow ? rowSchema : undefined,
    schemaOf,
    roleOf,
    becomeOwner: (tenant) => {
      // Forced policies bind the owner as well.
      if (isRow) return { sql: `select set_config('${TENANT_SETTING}', $1, true)`, values: [tenant] }
      if (distributed) return undefined
      return { sql: `set local role ${quoteIdentifier(roleOf(tenant))}`, values: [] }
    },
    bodiesOf: (tenant) =>
      isRow
        ? { sql: `select body from ${notesOf(tenant)} where tenant_id = $1 order by id`, values: [tenant] }
        : { sql: `select body from ${notesOf(tenant)} order by id`, values: [] },
  }
}
