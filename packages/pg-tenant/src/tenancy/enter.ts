import { setTimeout as delay } from 'node:timers/promises'
import { crossTenant, isTenancyError, type ScopeTrace, TenancyError, type TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import { isRetryable } from '../errors/from-database.ts'
import type { IsolationLevel } from '../isolation/isolation.ts'
import { keyFor, type Naming } from '../isolation/names.ts'
import { isTraced, tracedScope } from '../observe/traced.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { type Block, currentBlock } from '../scope/block.ts'
import { start } from '../scope/handle.ts'
import { parseScopeOptions, type ScopeOptions, type ScopeSettings } from '../scope/options.ts'

/** What a tenancy knows about entering a tenant. */
export interface Entry {
  /** Scopes of other tenancies are not ours to join. */
  readonly identity: object
  readonly level: IsolationLevel
  readonly naming: Naming
  readonly defaults: ScopeSettings
  readonly pool: PoolLike
  readonly registry: RegistryPlace
  /** Nothing to wait for when the tenant is known to be recent enough. */
  askVersion(tenant: TenantKey): Promise<void> | undefined
}

/** What is to be done in a tenant. */
export interface Job<T> {
  readonly kind: ScopeTrace['kind']
  /** Refuses what was passed, and takes what it needs of it, at once. */
  check(): void
  /** Does it in a scope of the same tenant that is there already. */
  join(outer: Block): Promise<T>
  /** Does it in a scope of its own; called again for a retry. */
  open(tenant: TenantKey, settings: ScopeSettings, trace: ScopeTrace | undefined): Promise<T>
}

/**
 * Checks a call, before anything is sent, and finds out whether it runs in a scope around it.
 *
 * @throws TenancyError INVALID_TENANT_KEY, VALIDATION_ERROR, STATEMENT_REFUSED, INVALID_OPTION, CROSS_TENANT
 */
export function enter<T>(
  entry: Entry,
  key: string,
  options: ScopeOptions | undefined,
  job: Job<T>,
): Promise<T> {
  try {
    const tenant = keyFor(entry.naming, key)
    job.check()
    const settings = parseScopeOptions(options, entry.defaults)
    const outer = enclosing(entry.identity, tenant)
    if (!outer) {
      if (!isTraced()) return open(entry, tenant, settings, job, undefined)
      const facts = { kind: job.kind, tenant, level: entry.level, readOnly: settings.readOnly }
      return tracedScope(facts, (trace) => open(entry, tenant, settings, job, trace))
    }
    requireSameMode(settings, outer)
    // Not a promise of our own around it: what the outer scope answers for must not reject a second time.
    return job.join(outer)
  } catch (error) {
    return Promise.reject(error)
  }
}

/** Not an async function: every request comes through here, and each promise that is awaited costs it something. */
function open<T>(
  entry: Entry,
  tenant: TenantKey,
  settings: ScopeSettings,
  job: Job<T>,
  trace: ScopeTrace | undefined,
): Promise<T> {
  const attempt = () => job.open(tenant, settings, trace)
  const work = () => (settings.retry.attempts === 1 ? attempt() : withRetry(settings, attempt))
  return start(() => {
    const old = entry.askVersion(tenant)
    return old ? old.then(work) : work()
  }).catch(async (error: unknown) => {
    // What cannot be explained is told as it came.
    const explain = await import('../registry/explain.ts').catch(() => undefined)
    throw explain ? await explain.explained(error, entry.pool, entry.registry, tenant) : error
  })
}

/** The scope this call runs in, if it is one of ours and still alive. */
export function enclosing(identity: object, tenant: TenantKey): Block | undefined {
  const running = currentBlock.getStore()
  if (!running || running.ended || running.owner !== identity) return undefined
  if (running.tenant !== tenant) throw crossTenant()
  return running
}

/** A nested scope shares its transaction, so it cannot ask for another mode than the outer one has. */
export function requireSameMode(settings: ScopeSettings, outer: Block): void {
  const { mode } = outer.transaction.settings
  if (settings.mode === '' || settings.mode === mode) return
  throw new TenancyError(
    'INVALID_OPTION',
    'A nested withTenant joins the transaction around it and cannot change readOnly, isolationLevel or deferrable.',
    { details: { option: 'isolationLevel' } },
  )
}

const MAX_BACKOFF_MS = 1_000

/**
 * Runs `attempt` again after a serialization failure or deadlock, as often as the settings allow. An unknown outcome
 * is neither, so it is never tried again.
 */
export async function withRetry<T>({ retry, signal }: ScopeSettings, attempt: () => Promise<T>): Promise<T> {
  for (let made = 1; ; made++) {
    try {
      return await attempt()
    } catch (error) {
      const again = isTenancyError(error) && isRetryable(error) && made < retry.attempts && !signal?.aborted
      if (!again) throw error
      // Full jitter: those who collided do not meet again.
      const ceiling = Math.min(MAX_BACKOFF_MS, retry.backoff * 2 ** (made - 1))
      await delay(Math.random() * ceiling)
    }
  }
}
