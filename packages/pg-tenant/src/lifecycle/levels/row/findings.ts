interface Meaning {
  /** `error`: tenants can meet, provisioning refuses. `warning`: they can learn of each other, or it is slow. */
  readonly severity: 'error' | 'warning'
  /** What it means. */
  readonly message: string
  /** What to do. */
  readonly fix: string
}

const error = (message: string, fix: string): Meaning => ({ severity: 'error', message, fix })
const warning = (message: string, fix: string): Meaning => ({ severity: 'warning', message, fix })
/** What {@link ensureRowPolicies} mends by itself. */
export const REPAIR = 'Run provision(key), of any tenant: it repairs this.'

/** What can be wrong with a shared schema. */
export const FINDINGS = {
  unscoped_table: error(
    'It has no tenant column, so all tenants would share its rows.',
    'Add the column; or name the table in row.referenceTables if all may read it; or ALTER TABLE … SET SCHEMA to where scopes do not look.',
  ),
  foreign_table: error(
    'Row-level security cannot bind a foreign table.',
    'ALTER FOREIGN TABLE … SET SCHEMA another one.',
  ),
  foreign_owner: error(
    'It belongs to a role that the administrator is no member of.',
    "ALTER TABLE … OWNER TO the administrator's role.",
  ),
  column_type: error(
    'Its tenant column is of another type than text, varchar, uuid, bigint and integer; with row.views it must be text.',
    'ALTER TABLE … ALTER COLUMN … TYPE text.',
  ),
  column_computed: error(
    'Its tenant column is computed (generated, or an identity): a new row cannot be given its tenant.',
    'ALTER TABLE … ALTER COLUMN … DROP EXPRESSION, or DROP IDENTITY; a virtual one is added anew as a plain column.',
  ),
  column_nullable: error(
    'Its tenant column may be NULL: such rows belong to nobody.',
    'ALTER TABLE … ALTER COLUMN … SET NOT NULL.',
  ),
  not_enabled: error('Row-level security is off.', REPAIR),
  not_forced: error('Row-level security does not hold for its owner.', REPAIR),
  policy_missing: error('It has no policy tenant_isolation.', REPAIR),
  policy_altered: error('Its policy tenant_isolation was changed.', REPAIR),
  policy_added: error(
    'A further permissive policy lets rows through that tenant_isolation would hide.',
    'Drop it, or make it RESTRICTIVE.',
  ),
  too_many_privileges: error(
    'The application may TRUNCATE it (no policy stops that), make foreign keys to it or triggers on it.',
    'Revoke that.',
  ),
  schema_create: error('The application may create objects in the schema.', 'Revoke CREATE.'),
  view_as_owner: error(
    'A view that reads rows of tenants with the rights of its owner.',
    'Make it WITH (security_invoker = true), or revoke it from the application.',
  ),
  materialized_view: error(
    'It holds rows of all tenants and no policy can bind it.',
    'Revoke it from the application, or make it a view.',
  ),
  security_definer: error(
    'A function that the application may call runs with the rights of a superuser or of a role with BYPASSRLS.',
    'Make it SECURITY INVOKER, or revoke EXECUTE.',
  ),
  security_definer_owner: warning(
    'A function that the application may call runs with the rights of its owner: policies hold for it, but it may do ' +
      'what the application may not.',
    'Review it.',
  ),
  foreign_key: error(
    'A foreign key between rows of tenants leaves the tenant out. Its checks and cascades go past the policies: a row can ' +
      'refer to another tenant, find out whether it is there, and be deleted with it.',
    'Make it (tenant_id, …) on both sides.',
  ),
  unique_key: warning(
    'A unique index leaves the tenant out: a violation tells that another tenant has the value.',
    'Begin it with tenant_id, or let nobody choose the value.',
  ),
  index_missing: warning(
    'No index begins with the tenant column: each statement reads the rows of all tenants.',
    'CREATE INDEX … (tenant_id, …).',
  ),
  default_missing: warning('Its tenant column does not take the tenant by default.', REPAIR),
  entrance_altered: error(
    'The function that every scope asks whether it may enter is not there or not as it was made, or others may call it.',
    REPAIR,
  ),
  views_policy: error(
    "Its policies for tenants' own views are not those that were made: a tenant's role could read rows of others.",
    REPAIR,
  ),
  view_altered: error(
    "It is not one of the views for tenants' own roles as they were made, or others than them may use it.",
    'Drop what is not yours, then run provision(key), of any tenant: it makes the views anew.',
  ),
  view_missing: warning("Tenants' own roles have no view of it, or one without its newest columns.", REPAIR),
  views_role: error(
    "The role that owns tenants' views, or the one they read them by, has special rights or members it should not have.",
    'ALTER ROLE, or REVOKE the membership: the first has no members, the second only roles of tenants.',
  ),
} as const satisfies Record<string, Meaning>

export type RowFindingCode = keyof typeof FINDINGS

/** Something about a shared schema through which tenants could meet. Names only: safe to log. */
export interface RowFinding extends Meaning {
  readonly code: RowFindingCode
  /** The table, index, constraint, view, function or schema. */
  readonly object: string
}
