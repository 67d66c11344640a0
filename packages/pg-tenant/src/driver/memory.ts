import type { TypeParsers } from './type-parsers.ts'
import type { PoolClientLike, PoolLike } from './types.ts'

/** What is remembered of one connection while it lives in the pool. Its size does not depend on tenants served. */
export interface ConnectionMemory {
  /** Times the pool handed the connection out, to anyone. */
  acquired: number
  /** Value of `acquired` when a scope last gave it back clean, and whom that scope served. */
  servedAt: number
  served: string | undefined
  /**
   * Whether the backend answering is the one the connection was made to. Behind a transaction-mode pooler it is
   * not: there prepared statements clash and nobody knows who used the backend last (hazard p).
   */
  direct: boolean | undefined
  /** Whether who logged in is a superuser, who can also change `session_authorization`. */
  superuser: boolean
  /** Whom its scopes have served, as far as can be told in a fixed size. */
  readonly tenants: DistinctCount
  /**
   * Limits that came with the connection, its user or its database: RESET ALL gives them back. In milliseconds, by the names
   * of a scope's options; none behind a pooler.
   */
  readonly limits: Record<string, number>
  /** Whether what RESET ALL gives back makes commits durable, of the same sources. */
  durable: boolean
  /** Whether it begins transactions as read committed, read write. */
  beginsRight: boolean
  /** Whether a scope has had other limits than those. */
  othersLimits: boolean
  /** The function that this session may be left by, by its name. */
  leave: string | undefined
  /** Whether the backend has a schema for temporary objects, as far as known; it never loses one. */
  temporary: boolean | undefined
  /** What the unnamed statement holds; SQL cannot replace it. Believed only while nobody else had the connection. */
  unnamed: string | undefined
  /** Whether statements under names may be on the session. */
  keepsNames: boolean
  /** Statements kept under names, name to text (bounded); only the tenant `served` may use them. */
  readonly prepared: Map<string, string>
  /** Its parsers of values, as results are given them. */
  types: TypeParsers | undefined
  /** The error that ended the connection while nobody was asking it anything (hazard r). */
  death: Error | undefined
  /** Told of it, while a scope has the connection. */
  onDeath: ((error: Error) => void) | undefined
}

const BITS = 2 ** 15

/**
 * How many different texts there were, about: by the share of a bitmap that is still empty (linear counting, Whang 1990). Up to
 * 100,000 it is right within a few per cent, in 4 kB.
 */
export class DistinctCount {
  #bits: Uint8Array | undefined
  #empty = BITS

  add(text: string): void {
    this.#bits ??= new Uint8Array(BITS / 8)
    let hash = 0x811c9dc5
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
    // The lowest bits of that hash (FNV-1a) are its weakest.
    const bit = (hash ^ (hash >>> 15)) & (BITS - 1)
    const [byte, mask] = [bit >> 3, 1 << (bit & 7)]
    const held = this.#bits[byte] as number
    if ((held & mask) !== 0) return
    this.#bits[byte] = held | mask
    this.#empty--
  }

  get count(): number {
    return this.#empty === 0 ? Number.POSITIVE_INFINITY : Math.round(BITS * Math.log(BITS / this.#empty))
  }
}

const memories = new WeakMap<PoolClientLike, ConnectionMemory>()
const watched = new WeakSet<PoolLike>()

/**
 * Watches a pool from now on: every connection gets a permanent `error` listener (without one, an error between
 * two uses ends the process: hazard r), and each hand-out is counted, so that use by others is noticed.
 */
export function watchPool(pool: PoolLike): void {
  if (watched.has(pool)) return
  watched.add(pool)
  // pg-pool passes the error of an idle connection on to the pool, where it would end the process as well.
  // guard: r: the error of an idle connection does not end the process
  pool.on('error', () => {})
  pool.on('connect', (client) => void memoryOf(client))
  pool.on('acquire', (client) => void memoryOf(client).acquired++)
}

export function memoryOf(client: PoolClientLike): ConnectionMemory {
  const known = memories.get(client)
  if (known) return known
  const memory: ConnectionMemory = {
    acquired: 0,
    servedAt: -1,
    served: undefined,
    direct: undefined,
    superuser: false,
    tenants: new DistinctCount(),
    limits: {},
    durable: false,
    beginsRight: false,
    othersLimits: false,
    leave: undefined,
    temporary: undefined,
    unnamed: undefined,
    keepsNames: false,
    prepared: new Map(),
    types: undefined,
    death: undefined,
    onDeath: undefined,
  }
  memories.set(client, memory)
  // guard: r: a permanent error listener
  client.on('error', (error) => {
    memory.death ??= error
    memory.onDeath?.(memory.death)
  })
  return memory
}

/** Whether nobody but scopes of ours has had this very backend since the last of them left it clean. */
export function isUntouched(memory: ConnectionMemory): boolean {
  return memory.direct === true && memory.servedAt + 1 === memory.acquired
}
