// A server of its own: decides as fast as it can, and remembers when it last said yes. Run by measure.ts.
import { setImmediate as turn } from 'node:timers/promises'
import { createTenancy } from '@org/pg-tenant'
import pg from 'pg'
import { type LoadStore, READ, revokeWith, type Subject, storeOf } from './subjects.ts'

export interface ServeOptions {
  readonly url: string
  readonly rolePrefix: string
  readonly subjects: readonly Subject[]
  /** What the store takes for a millisecond, in milliseconds (1); more makes its memory too long. */
  readonly slowness: number
}

/** What was seen of one subject. Moments are of the machine's monotonic clock, which its processes share, in ms. */
export interface Seen {
  allowed: number
  refused: number
  /** When the last call began that permitted it. */
  lastAllowed: number
}

export type ToServer = { readonly revoke: number } | { readonly ask: 'seen' | 'end' }
export type FromServer =
  | { readonly ready: true }
  | { readonly revoked: number; readonly at: number }
  | { readonly seen: readonly Seen[]; readonly decisions: number }

/** Decisions between two turns of the event loop: from memory they are all of one turn. */
const AT_ONCE = 32
const REQUESTS = 6

export const clock = (): number => Number(process.hrtime.bigint()) / 1e6

async function main({ url, rolePrefix, subjects, slowness }: ServeOptions): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  pool.on('error', () => {})
  const tenancy = createTenancy({ pool, rolePrefix })
  const store = storeOf(tenancy, pool, slowness === 1 ? undefined : () => performance.now() / slowness)
  const seen = subjects.map((): Seen => ({ allowed: 0, refused: 0, lastAllowed: 0 }))
  const state = { running: true, decisions: 0 }
  const say = (message: FromServer) => process.send?.(message)
  const loops = Array.from({ length: REQUESTS }, async (_, first) => {
    for (let next = first; state.running; next += 1) {
      const at = next % subjects.length
      await decide(store, subjects[at] as Subject, seen[at] as Seen)
      state.decisions += 1
      if (next % AT_ONCE === 0) await turn()
    }
  })
  process.on('message', async (message: ToServer) => {
    if ('revoke' in message) {
      await revokeWith(store, tenancy, subjects[message.revoke] as Subject)
      say({ revoked: message.revoke, at: clock() })
    } else if (message.ask === 'seen') say({ seen, decisions: state.decisions })
    else {
      state.running = false
      await Promise.all(loops)
      await pool.end()
      process.disconnect()
    }
  })
  // Also when whoever started it has died.
  process.once('disconnect', () => process.exit())
  say({ ready: true })
}

/** One request: who asks, and may they? Whoever cannot be told may not. */
async function decide(store: LoadStore, { tenant, actor }: Subject, seen: Seen): Promise<void> {
  const began = clock()
  const allowed = await store.evaluatorFor({ tenant, actor }).then(
    (evaluator) => evaluator.can(READ),
    () => false,
  )
  if (allowed) {
    seen.allowed += 1
    seen.lastAllowed = Math.max(seen.lastAllowed, began)
  } else seen.refused += 1
}

const [given] = process.argv.slice(2)
if (process.send && given !== undefined) await main(JSON.parse(given) as ServeOptions)
