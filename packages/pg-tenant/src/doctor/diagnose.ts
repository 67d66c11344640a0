import { type Fleet, requireSchemas } from '../fleet/fleet.ts'
import { RUN_TABLE } from '../fleet/run-table.ts'
import { qualify } from '../sql/identifier.ts'
import { applicationOf } from './application.ts'
import { checksOf, LEDGER_TEXT, ledgersQuery } from './checks.ts'
import { driftOf } from './drift.ts'
import type { Diagnosis, Finding, FindingCode } from './finding.ts'
import { type Look, readOnly } from './read-only.ts'

/** Options of {@link diagnose}. */
export interface DiagnoseOptions {
  /** At most so many findings of each code (default 100). */
  readonly limit?: number
  /** The tenant the others' schemas are compared with (default: the majority of those with the same migrations). */
  readonly reference?: string
}

/** Ledgers read by one statement: each is a table, and each table a lock until the end of the transaction. */
const LEDGERS_AT_ONCE = 500
const WORST = { error: 0, warning: 1, notice: 2 } as const

/**
 * Looks for what is wrong with the tenants or will be: a few queries for the whole fleet, in one transaction that cannot
 * change anything. Connects once as the application, to know its role, and else as the administrator.
 *
 * @throws TenancyError INVALID_OPTION at a level where tenants are not schemas of one database
 * @throws TenancyError CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR
 */
export async function diagnose(fleet: Fleet, options: DiagnoseOptions = {}): Promise<Diagnosis> {
  requireSchemas(fleet)
  const began = performance.now()
  const { limit = 100 } = options
  const application = await applicationOf(fleet.pool)
  const collected = new Collected(limit)
  const tenants = await readOnly(fleet.adminPool, async (look) => {
    const [there] = await look<{ tenant: boolean; run: boolean }>(
      'select to_regclass($1) is not null as tenant, to_regclass($2) is not null as run',
      [qualify(fleet.registry.controlSchema, 'tenant'), qualify(fleet.registry.controlSchema, RUN_TABLE)],
    )
    if (!there?.tenant) return 0
    await check(look, fleet, application, there.run, collected)
    await ledgers(look, fleet, collected)
    const drift = await driftOf(look, fleet, { ...options, limit })
    for (const one of drift.drifts) collected.add(drifted(one))
    collected.count('DRIFT', drift.drifted - drift.drifts.length)
    return drift.tenants
  })
  return collected.diagnosis(tenants, Math.round(performance.now() - began))
}

async function check(
  look: Look,
  fleet: Fleet,
  application: string,
  run: boolean,
  collected: Collected,
): Promise<void> {
  const { naming, registry, level } = fleet
  const { controlSchema } = registry
  const place = {
    tenant: qualify(controlSchema, 'tenant'),
    run: run ? qualify(controlSchema, RUN_TABLE) : undefined,
    roles: level !== 'schema',
  }
  const shared = [...naming.sharedPath.matchAll(/"([^"]+)"/g)].map(([, name]) => name)
  const values = [naming.schemaPrefix, naming.rolePrefix, naming.marker, application, shared, level]
  for (const { code, severity, sql, fix } of checksOf(place)) {
    for (const { subject, what } of await look<{ subject: string; what: string }>(sql, values)) {
      collected.add({ code, severity, subject, message: `${subject} ${what}.`, fix })
    }
  }
}

/** Compares the ledger in each schema with that of the registry. */
async function ledgers(look: Look, { naming, registry, level }: Fleet, collected: Collected): Promise<void> {
  const [tenant, migration] = ['tenant', 'tenant_migration'].map((name) =>
    qualify(registry.controlSchema, name),
  )
  const rows = await look<{ key: string; schema: string; ledger: string | null }>(
    `select t.key, n.nspname as schema, ${LEDGER_TEXT(`(select id, checksum from ${migration} m where m.prefix = t.prefix and m.key = t.key) m`)} as ledger
     from ${tenant} t join pg_namespace n on n.nspname = $1 || t.key
     join pg_class c on c.relnamespace = n.oid and c.relname = '_tenant_migration'
     where t.prefix = $1 and t.isolation = $2 and t.status in ('active', 'suspended')`,
    [naming.schemaPrefix, level],
  )
  const central = new Map(rows.map(({ key, ledger }) => [key, ledger]))
  for (let from = 0; from < rows.length; from += LEDGERS_AT_ONCE) {
    const some = rows.slice(from, from + LEDGERS_AT_ONCE)
    const keys = some.map(({ key }) => key)
    for (const { key, ledger } of await look<{ key: string; ledger: string }>(
      ledgersQuery(some, LEDGER_TEXT),
      keys,
    )) {
      if (central.get(key) === ledger) continue
      collected.add({
        code: 'LEDGER_MISMATCH',
        severity: 'error',
        subject: key,
        message: `${key} has other migrations in its schema than in the registry (a restore, or a change by hand).`,
        fix: 'Run migrate with only: [key] and recheck: true; the schema is believed.',
      })
    }
  }
}

function drifted({
  tenant,
  reference,
  missing,
  extra,
}: {
  tenant: string
  reference: string
  missing: readonly string[]
  extra: readonly string[]
}): Finding {
  const list = (lines: readonly string[]) =>
    lines.slice(0, 5).join('; ') + (lines.length > 5 ? `; and ${lines.length - 5} more` : '')
  const parts = [
    missing.length > 0 && `lacks ${list(missing)}`,
    extra.length > 0 && `has instead ${list(extra)}`,
  ]
  return {
    code: 'DRIFT',
    severity: 'warning',
    subject: tenant,
    message: `${tenant} is not like ${reference}, though both have the same migrations: ${parts.filter(Boolean).join(', and ')}.`,
    fix: 'Put it right by hand, or write a migration that does so for everybody.',
  }
}

class Collected {
  readonly #limit: number
  readonly #findings: Finding[] = []
  readonly #counts: Partial<Record<FindingCode, number>> = {}

  constructor(limit: number) {
    this.#limit = limit
  }

  add(finding: Finding): void {
    this.count(finding.code, 1)
    if ((this.#counts[finding.code] ?? 0) <= this.#limit) this.#findings.push(finding)
  }

  /** Those that are only counted. */
  count(code: FindingCode, more: number): void {
    if (more > 0) this.#counts[code] = (this.#counts[code] ?? 0) + more
  }

  diagnosis(tenants: number, ms: number): Diagnosis {
    const findings = this.#findings.sort((a, b) => WORST[a.severity] - WORST[b.severity])
    const ok = findings.every(({ severity }) => severity === 'notice')
    return { ok, findings, counts: this.#counts, tenants, ms }
  }
}
