import type { TenantKey } from '@org/core'
import { aborted } from '../errors/aborted.ts'
import type { Isolation } from '../isolation/isolation.ts'
import { createHandle } from './handle.ts'
import { currentLevel, Level } from './level.ts'
import { notAwaited, swallowed } from './misuse.ts'
import type { ScopeSettings } from './options.ts'
import type { TenantDb } from './tenant-db.ts'
import { Transaction } from './transaction.ts'

/**
 * One scope from begin to end: runs `fn` with a handle, then commits, or rolls back and says why. A scope that ran
 * nothing still opens once, so that a tenant that is not there never passes for one that is.
 */
export async function runScope<T>(
  owner: object,
  isolation: Isolation,
  tenant: TenantKey,
  fn: (db: TenantDb) => Promise<T>,
  settings: ScopeSettings,
): Promise<T> {
  return runLevel(owner, isolation, tenant, (level) => fn(createHandle(level)), settings)
}

/** The same for what needs no handle. */
export async function runLevel<T>(
  owner: object,
  isolation: Isolation,
  tenant: TenantKey,
  body: (level: Level) => Promise<T>,
  settings: ScopeSettings,
): Promise<T> {
  const transaction = new Transaction(isolation.poolOf(tenant), isolation.entranceOf(tenant), settings)
  const level = new Level(owner, tenant, transaction)
  const { signal } = settings
  if (signal?.aborted) throw aborted(signal)
  try {
    const work = currentLevel.run(level, async () => body(level))
    const value = signal ? await abortable(work, level, signal) : await work
    if (await level.finish()) throw notAwaited()
    const failure = transaction.doom ?? level.failure
    if (failure) throw transaction.doom ?? swallowed(failure)
    await transaction.commit()
    return value
  } catch (error) {
    if (!level.ended) await level.finish()
    await transaction.rollback(signal?.aborted === true)
    throw error
  }
}

/** Settles as `work` does, or rejects as soon as the signal fires; the handle is dead from then on. */
function abortable<T>(work: Promise<T>, level: Level, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      level.end(() => aborted(signal))
      reject(aborted(signal))
    }
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
    // The callback itself may have fired it, before anyone listened.
    if (signal.aborted) onAbort()
  })
}
