import { keyFor } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { prepare } from '../lifecycle/prepare.ts'
import { requireHarmless } from '../migrations/harmless.ts'
import { requireClean } from '../migrations/lint.ts'
import { readScripts, type Script } from '../migrations/script.ts'
import { dryRunText } from './message.ts'
import { type MigrateOptions, type MigrateSettings, parseMigrateOptions } from './options.ts'
import { type Behind, requireExpanded, whoIsBehind } from './plan.ts'
import type { MigrateProgress, MigrateReport, TenantMigration } from './report.ts'
import type { Seen } from './room-parts.ts'
import { requireSupported } from './supports.ts'
import { runWave } from './wave.ts'

/**
 * Brings every tenant that is behind up to date. Each tenant is one transaction in one message, with both ledgers written
 * in it; run it again after anything, and it goes on where it was. When nobody is behind it costs one query.
 *
 * What fails for one tenant is in the report and does not reject.
 *
 * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY; STATEMENT_REFUSED (see `lintMigrations`); CONFLICT when a
 *   migration was edited or is unknown, or `phase: 'contract'` would go before an `expand` one; in each case nothing was run
 * @throws TenancyError CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR when it could not begin
 */
export async function migrateFleet(lifecycle: Lifecycle, options?: MigrateOptions): Promise<MigrateReport> {
  const began = performance.now()
  const settings = parseMigrateOptions(options)
  requireSupported(lifecycle.level, options)
  for (const list of [settings.only, settings.except, settings.canary]) {
    if (Array.isArray(list)) for (const key of list) keyFor(lifecycle.naming, key)
  }
  const scripts = readScripts(lifecycle.migrations)
  const asked = scripts
    .filter(({ phase }) => phase === (settings.phase ?? phase))
    .map(({ ordinal }) => ordinal)
  const behind = await whoIsBehind(lifecycle, scripts, asked, settings)
  const chosen = new Set(asked)
  for (const one of behind) requireExpanded(scripts, chosen, one)
  const missing = missingScripts(scripts, asked, behind)
  const { ownDatabase, shared } = traitsOf(lifecycle.level)
  requireClean(missing, settings.allowSchemas ?? lifecycle.allowSchemas ?? [], ownDatabase || shared)
  requireHarmless(missing)
  const run = new FleetRun(lifecycle, settings, scripts, chosen, behind, began)
  if (settings.dryRun) return run.plan()
  // What it notes between two statements is kept in a table that an older control schema does not have.
  if (missing.some(({ transaction }) => !transaction)) await prepare(lifecycle)
  return await run.run()
}

/** Brings every tenant up to date, at any level. See {@link Tenancy.migrate}. */
export async function migrate(lifecycle: Lifecycle, options?: MigrateOptions): Promise<MigrateReport> {
  const { migrateShared } = lifecycle.ofLevel
  return migrateShared
    ? await migrateOnce(lifecycle, migrateShared, options)
    : await migrateFleet(lifecycle, options)
}

/** Where tenants share one schema: migrating it once migrates every tenant, so nobody is behind and nobody goes first. */
async function migrateOnce(
  lifecycle: Lifecycle,
  shared: (lifecycle: Lifecycle) => Promise<unknown>,
  options: MigrateOptions | undefined,
): Promise<MigrateReport> {
  const began = performance.now()
  const { allowSchemas = lifecycle.allowSchemas, signal } = parseMigrateOptions(options)
  requireSupported(lifecycle.level, options)
  const stopped = signal?.aborted ? 'aborted' : null
  if (!stopped) await shared({ ...lifecycle, allowSchemas })
  const nobody = { behind: 0, migrated: 0, failed: 0, untouched: 0, tenants: [] }
  return { ok: !stopped, stopped, ...nobody, ms: Math.round(performance.now() - began) }
}

/** Migrations that somebody lacks. */
function missingScripts(
  scripts: readonly Script[],
  asked: readonly number[],
  behind: readonly Behind[],
): Script[] {
  const lacking = new Set<number>()
  for (const { has } of behind) {
    if (lacking.size === asked.length) break
    const held = new Set(has)
    for (const ordinal of asked) if (!held.has(ordinal)) lacking.add(ordinal)
  }
  return scripts.filter(({ ordinal }) => lacking.has(ordinal))
}

class FleetRun {
  readonly #lifecycle: Lifecycle
  readonly #settings: MigrateSettings
  readonly #scripts: readonly Script[]
  readonly #asked: ReadonlySet<number>
  readonly #behind: readonly Behind[]
  readonly #began: number
  readonly #seen: Seen = { deferrable: false }
  readonly #tenants: TenantMigration[] = []
  #failed = 0
  #stopped: MigrateReport['stopped'] = null
  #thrown: { readonly reason: unknown } | undefined

  constructor(
    lifecycle: Lifecycle,
    settings: MigrateSettings,
    scripts: readonly Script[],
    asked: ReadonlySet<number>,
    behind: readonly Behind[],
    began: number,
  ) {
    this.#lifecycle = lifecycle
    this.#settings = settings
    this.#scripts = scripts
    this.#asked = asked
    this.#behind = behind
    this.#began = began
  }

  plan(): MigrateReport {
    for (const behind of this.#behind) {
      const todo = this.#scripts.filter(
        ({ ordinal }) => this.#asked.has(ordinal) && !behind.has.includes(ordinal),
      )
      const applied = todo.map(({ id }) => id)
      const sql = dryRunText(this.#lifecycle, behind, todo)
      this.#tenants.push({ tenant: behind.tenant, state: 'planned', applied, ms: 0, attempts: 0, sql })
    }
    return this.#report()
  }

  async run(): Promise<MigrateReport> {
    const { canary } = this.#settings
    const first = canariesOf(this.#behind, canary)
    await this.#wave(first)
    if (this.#failed > 0 && first.length > 0) this.#stopped ??= 'canary'
    const canaries = new Set(first)
    if (!this.#isStopped()) await this.#wave(this.#behind.filter((one) => !canaries.has(one)))
    if (this.#thrown) throw this.#thrown.reason
    return this.#report()
  }

  async #wave(tenants: readonly Behind[]): Promise<void> {
    if (tenants.length === 0) return
    await runWave(
      {
        lifecycle: this.#lifecycle,
        settings: this.#settings,
        scripts: this.#scripts,
        asked: this.#asked,
        seen: this.#seen,
        stopped: () => this.#isStopped(),
        ended: (tenant) => this.#ended(tenant),
      },
      tenants,
    )
  }

  #isStopped(): boolean {
    if (this.#settings.signal?.aborted) this.#stopped ??= 'aborted'
    return this.#stopped !== null || this.#thrown !== undefined
  }

  #ended(tenant: TenantMigration): void {
    this.#tenants.push(tenant)
    if (tenant.state === 'failed' && ++this.#failed >= this.#settings.maxFailures)
      this.#stopped ??= 'failures'
    try {
      this.#settings.onTenant?.(tenant, this.#progress())
    } catch (reason) {
      // The caller's own error: nobody else is started, and it is thrown when those under way are done.
      this.#thrown ??= { reason }
    }
  }

  #progress(): MigrateProgress {
    const [done, total] = [this.#tenants.length, this.#behind.length]
    const rate = (done * 1_000) / Math.max(1, performance.now() - this.#began)
    return {
      done,
      failed: this.#failed,
      total,
      rate,
      remainingMs: Math.round(((total - done) * 1_000) / rate),
    }
  }

  #report(): MigrateReport {
    const behind = this.#behind.length
    const migrated = this.#tenants.filter(({ state }) => state === 'migrated' || state === 'current').length
    return {
      ok: migrated === behind,
      behind,
      migrated,
      failed: this.#failed,
      untouched: behind - migrated - this.#failed,
      stopped: this.#stopped,
      ms: Math.round(performance.now() - this.#began),
      tenants: this.#tenants,
    }
  }
}

/** Those who go first. */
export function canariesOf(behind: readonly Behind[], canary: MigrateOptions['canary']): Behind[] {
  if (canary === undefined) return []
  if (typeof canary === 'number') return behind.slice(0, canary)
  const keys = new Set<string>(canary)
  return behind.filter(({ tenant }) => keys.has(tenant))
}
