import { isTenancyError, type TenantKey } from '@org/core'
import { linesWithout } from '../doctor/drift.ts'
import type { Look } from '../doctor/read-only.ts'
import { readOnly } from '../doctor/read-only.ts'
import type { PoolLike } from '../driver/types.ts'
import { markerOf } from '../isolation/names.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { ownNames, type RecordRow } from '../registry/record.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { type Adoption, type AdoptionFinding, worstFirst } from './finding.ts'
import type { Baseline, Known } from './known.ts'
import type { Wanted } from './options.ts'
import { referenceOf, type Shape, shapeOf } from './reference.ts'
import { type Survey, survey } from './survey.ts'
import { askTools } from './tool-ledgers.ts'

/** What an examination found. */
export interface Examination {
  readonly adoption: Adoption
  readonly survey: Survey
}

// A ledger is looked at once more behind its lock: a snapshot older than the lock would say what it was before.
const AFRESH = 'set transaction isolation level read committed'

// Should a name lead elsewhere by the time it is read, for a schema is renamed without a lock on what is in it: no policy and no view is
// followed. The second setting came with minor releases of PostgreSQL 15 and 16.
const NOTHING_BUT_TABLES = `select set_config(s.name, w.value, true) from pg_settings s join (values ('row_security', 'off'),
  ('restrict_nonsystem_relation_kind', 'view, foreign-table')) w (name, value) on w.name = s.name`

/** Finds out which migrations the schema has: what the caller says, or the ledger of another tool that is in it. */
export async function baselineOf(
  lifecycle: Lifecycle,
  home: PoolLike,
  { baseline: given, schema, lockTimeout }: Wanted,
  application: string,
): Promise<Baseline> {
  const { migrations } = lifecycle
  const { said, findings } = await readOnly(home, async (look) => {
    await look(`set local lock_timeout = ${lockTimeout}`)
    await look(AFRESH)
    await look(NOTHING_BUT_TABLES)
    return await askTools(look, schema, migrations, given)
  })
  const id = given !== undefined ? given : (said?.baseline ?? null)
  const from = given !== undefined ? 'option' : (said?.table ?? 'none')
  if (given === undefined && said === undefined) {
    if (findings.length > 0) return { id, from, reference: undefined, findings }
    if (migrations.length > 0)
      return { id, from, reference: undefined, findings: [missing(schema, lifecycle)] }
  }
  try {
    return { id, from, reference: await referenceOf(lifecycle, home, id, application), findings }
  } catch (error) {
    if (!isTenancyError(error)) throw error
    return { id, from, reference: undefined, findings: [...findings, unusable(error.message)] }
  }
}

/**
 * Looks at everything there is, without changing anything.
 *
 * @param look where the tenant's data is
 * @param books where the registry is
 */
export async function examine(
  look: Look,
  books: Look,
  lifecycle: Lifecycle,
  wanted: Wanted,
  { again, baseline, login, outside }: Known,
  application: string,
): Promise<Examination> {
  const { id, from, reference, findings: ofBaseline } = baseline
  const found = await survey(look, books, lifecycle, wanted, application, again)
  const findings = [...outside, ...found.findings]
  if (again) findings.push(...(await otherNames(books, lifecycle, wanted)))
  else {
    if (found.kept) findings.push(...(login?.findings ?? []))
    findings.push(...ofBaseline, ...(await registered(books, lifecycle, wanted)))
    if (reference && found.schema) findings.push(...(await drift(look, lifecycle, wanted, reference)))
  }
  const { tenant, schema, role } = wanted
  const adoption = {
    tenant,
    schema,
    role,
    adopted: false,
    baseline: id,
    baselineFrom: from,
    objects: found.objects.length,
    earlierOwners: found.owners.map(({ name }) => name),
    findings: worstFirst(findings),
  }
  return { adoption, survey: found }
}

/** Whether the tenant was adopted and that is not confirmed yet; there may be no registry. */
export async function isFurnished(
  look: Look,
  books: Look,
  { naming, registry }: Lifecycle,
  { database, schema, tenant }: Wanted,
): Promise<boolean> {
  const table = qualify(registry.controlSchema, 'tenant_adoption')
  const [there] = await books<{ there: boolean }>('select to_regclass($1) is not null as there', [table])
  if (!there?.there) return false
  const row = await books(`select from ${table} where prefix = $1 and key = $2`, [registry.prefix, tenant])
  if (row.length === 0 || database === undefined) return row.length > 0
  // Its own database is another transaction, which may not have come through.
  const [marked] = await look<{ there: boolean }>('select to_regclass($1) is not null as there', [
    qualify(schema, markerOf(naming, tenant)),
  ])
  return marked?.there ?? false
}

async function registered(
  look: Look,
  { registry }: Lifecycle,
  { tenant, reuse }: Wanted,
): Promise<AdoptionFinding[]> {
  const table = qualify(registry.controlSchema, 'tenant')
  const [there] = await look<{ there: boolean }>('select to_regclass($1) is not null as there', [table])
  if (!there?.there) return []
  const [row] = await look<{ status: string }>(`select status from ${table} where prefix = $1 and key = $2`, [
    registry.prefix,
    tenant,
  ])
  if (!row || (row.status === 'deleted' && reuse)) return []
  // An adoption of a database that was cut off: nothing else leaves one of its own there.
  if (row.status === 'provisioning' && (await cutOff(look, registry, tenant))) return []
  const deleted = row.status === 'deleted'
  return [
    {
      code: 'TENANT_EXISTS',
      severity: 'error',
      subject: tenant,
      message: deleted
        ? `A tenant "${tenant}" was dropped, and its key is not given out again by accident.`
        : `There is a tenant "${tenant}" already (${row.status}).`,
      fix: deleted ? 'Say reuseDeletedKey: true, or choose another key.' : 'Choose another key.',
    },
  ]
}

/** Adopted again it is what was adopted: in another schema no scope would find what would be taken over. */
async function otherNames(look: Look, { registry }: Lifecycle, wanted: Wanted): Promise<AdoptionFinding[]> {
  const { tenant, names } = wanted
  const table = qualify(registry.controlSchema, 'tenant')
  const [row] = await look<Pick<RecordRow, 'names'>>(
    `select ${ownNames('t')} from ${table} t where prefix = $1 and key = $2`,
    [registry.prefix, tenant],
  )
  // Left out, a name is the one that was learned from here.
  const same = (what: (typeof NAMED)[number]) =>
    row?.names[what] === names[what] || row?.names[what] === wanted[what]
  const others = row ? NAMED.filter((what) => !same(what)) : []
  return others.map((what) => ({
    code: 'TENANT_EXISTS',
    severity: 'error',
    subject: tenant,
    message: `The tenant "${tenant}" was adopted with another ${what} (${row?.names[what] ?? 'of prefix and key'}).`,
    fix: 'Say the same, or undoAdoption(key) first, or choose another key.',
  }))
}

const NAMED = ['schema', 'role', 'database'] as const

async function cutOff(books: Look, registry: Lifecycle['registry'], tenant: TenantKey): Promise<boolean> {
  const table = qualify(registry.controlSchema, 'tenant_adoption')
  return (
    (await books(`select from ${table} where prefix = $1 and key = $2`, [registry.prefix, tenant])).length > 0
  )
}

/** Lines of drift that are told of, of each kind. */
const TOLD = 20

async function drift(
  look: Look,
  lifecycle: Lifecycle,
  { schema, acceptsDrift }: Wanted,
  reference: Shape,
): Promise<AdoptionFinding[]> {
  const shape = await shapeOf(look, lifecycle, schema)
  const tell = (lines: readonly string[], what: string): AdoptionFinding[] =>
    [...lines.slice(0, TOLD), ...(lines.length > TOLD ? [`and ${lines.length - TOLD} more`] : [])].map(
      (line) => ({
        code: 'DRIFT',
        severity: acceptsDrift ? 'warning' : 'error',
        subject: schema,
        message: `${what} ${line}`,
        fix: "Put it right by hand, or adopt it as it is: drift: 'accept'.",
      }),
    )
  return [
    ...tell(linesWithout(reference, shape), 'Lacks:'),
    ...tell(linesWithout(shape, reference), 'Has besides:'),
  ]
}

function missing(schema: string, { migrations }: Lifecycle): AdoptionFinding {
  return {
    code: 'BASELINE_MISSING',
    severity: 'error',
    subject: schema,
    message: `Nothing says which of the ${migrations.length} migrations ${quoteIdentifier(schema)} has: there is no ledger of another tool in it.`,
    fix: `Say the newest that it has: baseline: '${migrations.at(-1)?.id}', or null for none of them.`,
  }
}

function unusable(message: string): AdoptionFinding {
  return {
    code: 'MIGRATIONS',
    severity: 'error',
    subject: 'migrations',
    message: `The migrations up to the baseline cannot be applied to a new tenant, so there is nothing to compare with. ${message}`,
  }
}
