import type { Pool } from 'pg'
import type { Invocation } from '../command.ts'
import type { Config } from '../config/config.ts'
import { governanceSchema } from '../config/governance.ts'
import type { Settings } from '../config/settings.ts'
import type { Connected } from '../config/tenancy.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { plural } from '../output/format.ts'
import { eachTenant } from './each-tenant.ts'
import { allTenants } from './require-tenant.ts'

/** Where the administrator finds what governance keeps: one database, or at level `database` one for each tenant. */
export interface Places extends Pick<Connected, 'tenancy' | 'pool' | 'adminPool'> {
  readonly settings: Settings
  readonly config: Config
  readonly controlSchema: string | undefined
  /** Whether each tenant has what is its own in a database of its own. */
  readonly ownDatabase: boolean
  /** The administrator where a tenant's log and usage are. @throws errors of a scope */
  of(tenant: string): Promise<Pool>
}

/**
 * Opens the tenancy and, where it is asked for, pools in tenants' databases, each until the next is asked for.
 *
 * @throws CliError CONFIGURATION; TenancyError INVALID_OPTION
 */
export async function withPlaces<T>(invocation: Invocation, fn: (places: Places) => Promise<T>): Promise<T> {
  const { tenancy, pool, adminPool, settings, config } = await invocation.connect()
  let open: { readonly tenant: string; readonly pool: Pool } | undefined
  const close = async () => {
    await open?.pool.end()
    open = undefined
  }
  const ownOf = async (tenant: string): Promise<Pool> => {
    if (open?.tenant === tenant) return open.pool
    await close()
    // The tenant's own connection knows; where it was adopted its name does not say.
    const { rows } = await tenancy.query<{ name: string }>(
      tenant,
      'select pg_catalog.current_database() as name',
    )
    const url = new URL(settings.adminUrl)
    url.pathname = `/${encodeURIComponent(String(rows[0]?.name))}`
    const { default: pg } = await import('pg')
    const made = new pg.Pool({ connectionString: url.href, max: 1, connectionTimeoutMillis: 10_000 })
    // The statement that uses the connection reports its loss.
    made.on('error', () => {})
    open = { tenant, pool: made }
    return made
  }
  const ownDatabase = tenancy.isolation === 'database'
  try {
    return await fn({
      tenancy,
      pool,
      adminPool,
      settings,
      config,
      ownDatabase,
      controlSchema: governanceSchema(config),
      of: async (tenant) => (ownDatabase ? ownOf(tenant) : adminPool),
    })
  } finally {
    await close()
  }
}

/** Work on what governance keeps, wherever it is. */
export interface Wherever {
  readonly dryRun?: boolean
  /** @returns what `--json` shows */
  work(admin: Pool): Promise<object>
  /** What was done, in a sentence. */
  readonly done: string | (() => string)
  readonly would?: string
}

/** Does it once, or at level `database` in each active tenant’s database, with progress. */
export async function wherever(
  invocation: Invocation,
  places: Places,
  { dryRun = false, work, done, would = '' }: Wherever,
): Promise<ExitCode> {
  const { output } = invocation
  const said = () => (typeof done === 'function' ? done() : done)
  if (!places.ownDatabase || dryRun) {
    output.document(dryRun ? { dryRun } : await work(places.adminPool))
    output.say(dryRun ? would : said())
    return EXIT.ok
  }
  const tenants: string[] = []
  for await (const { key } of allTenants(places.tenancy)) tenants.push(key)
  const tally = await eachTenant(invocation, tenants, async (key) => work(await places.of(key)))
  output.say(`${said()} ${plural(tally.done - tally.failed, 'tenant')}, ${tally.failed} failed.`)
  if (tally.stopped) return EXIT.interrupted
  return tally.failed > 0 ? EXIT.failed : EXIT.ok
}
