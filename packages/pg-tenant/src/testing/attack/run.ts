import { invalidOption } from '@org/core'
import pg, { type Pool, type PoolConfig } from 'pg'
import type { IsolationLevel } from '../../isolation/isolation.ts'
import type { TenancyOptions } from '../../tenancy/options.ts'
import { ATTACKS } from './attacks/index.ts'
import { nameOf, notApplicable, open } from './finding.ts'
import type { HostileCall } from './hostile/calls.ts'
import { openLab } from './lab.ts'
import type { MakeTenant } from './lab-tenancies.ts'
import type { AttackReport, ReportedFinding } from './report.ts'
import {
  type Attack,
  type Finding,
  type Lab,
  NotApplicable,
  type Subject,
  type SubjectSetup,
} from './types.ts'

/** Options of {@link runAttackKit}: `url` or `pool`, and `adminUrl` or `adminPool`. */
export interface AttackKitOptions {
  /** the application's connection URL, through the pooler where there is one; needed for attacks on the wire */
  readonly url?: string
  /** makes the application's pools; default `new pg.Pool(config)`. Spread `config` last, over your own settings. */
  readonly poolFactory?: (config: PoolConfig) => Pool
  /** attack on this pool as it is, instead of pools made from `url`; attacks that need their own are left out */
  readonly pool?: Pool
  /** a role that may create schemas and roles, connected directly */
  readonly adminUrl?: string
  readonly adminPool?: Pool
  /** the level you use (default `role`): attacked is what it promises, and what it does not is said to be open */
  readonly isolation?: IsolationLevel
  /** options of the tenancy under attack; names and migrations are the kit's own */
  readonly tenancy?: Partial<TenancyOptions>
  /** what carries the queries of tenants: `tenancy.withTenant` (`scope`, default), or `tenancy.pool(key)` with BEGIN and COMMIT */
  readonly through?: 'scope' | 'pool'
  /** attack something else than `createTenancy` */
  readonly subject?: (setup: SubjectSetup) => Subject
  /** how its tenants come to be (default `tenancy.provision`): adopted, for instance */
  readonly provision?: MakeTenant
  /** run only attacks whose id is in the list or begins with an entry and a dot: `['a', 'f']` */
  readonly only?: readonly string[]
  /**
   * Also plants every kind of code that PostgreSQL lets a tenant own, and then makes every call of a tenancy and opens every
   * kind of scope (default false; half a minute). Or calls of your own in their place, to attack something else.
   */
  readonly hostile?: boolean | readonly HostileCall[]
}

/**
 * Attacks a way of scoping queries with every known hazard, on throw-away tenants of a random prefix. They are
 * removed at the end, also after a failure. Takes a few seconds; run it in CI against the pool and pooler of production.
 *
 * @throws TenancyError INVALID_OPTION; what the administrator's connection throws when the lab cannot be set up
 * @example
 * ```ts
 * import { runAttackKit } from '@org/pg-tenant/testing'
 *
 * const { ok, findings } = await runAttackKit({ pool, adminPool, only: ['b'] })
 * ok && findings.length > 0 // → true
 * ```
 */
export async function runAttackKit(options: AttackKitOptions): Promise<AttackReport> {
  const { isolation = 'role', adminPool, adminUrl, only } = options
  if (!options.url && !options.pool) throw invalidOption('url', 'given, or pool')
  if (!adminPool && !adminUrl) throw invalidOption('adminUrl', 'given, or adminPool')
  const admin = adminPool ?? new pg.Pool({ connectionString: adminUrl, max: 3 })
  if (!adminPool) admin.on('error', () => {})
  try {
    const { lab, close } = await openLab({ ...options, isolation, adminPool: admin })
    try {
      const findings: ReportedFinding[] = []
      for (const attack of ATTACKS.filter(({ id }) => isWanted(id, only))) {
        const promised = attack.promise.includes(isolation)
        findings.push({ id: attack.id, title: attack.title, promised, ...(await attempt(attack, lab)) })
      }
      if (options.hostile) {
        const { runHostile } = await import('./hostile/run.ts')
        const calls = options.hostile === true ? undefined : options.hostile
        findings.push(...(await runHostile(lab, calls, (id) => isWanted(id, only))))
      }
      return {
        isolation,
        findings,
        ok: findings.every(({ promised, verdict }) => !promised || verdict !== 'open'),
      }
    } finally {
      await close()
    }
  } finally {
    if (!adminPool) await admin.end()
  }
}

/** An attack that breaks down proves nothing, so it counts as open. */
async function attempt(attack: Attack, lab: Lab): Promise<Finding> {
  try {
    return await attack.run(lab)
  } catch (error) {
    if (error instanceof NotApplicable) return notApplicable(error.message)
    return open(`could not be judged, the attack broke down: ${nameOf(error)}`)
  }
}

function isWanted(id: string, only: readonly string[] | undefined): boolean {
  return only === undefined || only.some((wanted) => id === wanted || id.startsWith(`${wanted}.`))
}
