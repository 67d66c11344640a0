import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { SoakOptions } from './options.ts'

/**
 * One pool straight to the server, and with faults one through the proxy that cuts. Neither has an `error` listener
 * of ours: connections that end while they are idle must not end the process (hazard r).
 */
export function openPools({ connections, faults }: SoakOptions, direct: string, proxied: string): pg.Pool[] {
  const cut = faults ? Math.max(1, Math.round(connections / 4)) : 0
  const wanted = [{ url: direct, max: Math.max(1, connections - cut) }]
  if (faults) wanted.push({ url: proxied, max: cut })
  return wanted.map(
    ({ url, max }) => new pg.Pool({ connectionString: url, max, connectionTimeoutMillis: 15_000 }),
  )
}

/** The control leaves connections checked out for ever: `end()` would wait for them. */
export async function endPools(pools: readonly pg.Pool[]): Promise<void> {
  const ended = Promise.all(pools.map((pool) => pool.end()))
  await Promise.race([ended, delay(2_000, undefined, { ref: false })])
}
