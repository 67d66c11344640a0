import { startWireProxy } from '@org/pg-testing'
import pg, { type Pool, type PoolClient, type PoolConfig } from 'pg'
import { NotApplicable, type Rig, type RigOptions, type Subject } from './types.ts'

/** Milliseconds a pool may take to end; one that an attack has deadlocked never would. */
const END_PATIENCE_MS = 500

/** Where a rig's pool comes from. */
export interface PoolSource {
  readonly pool?: Pool | undefined
  readonly url?: string | undefined
  readonly poolFactory?: ((config: PoolConfig) => Pool) | undefined
}

/** Opens a pool as the attack needs it and puts the subject on it. */
export async function openRig(
  source: PoolSource,
  { max = 1, config = {}, onMessage }: RigOptions,
  subjectOn: (pool: Pool) => Subject,
): Promise<Rig> {
  if (source.url === undefined) return onGivenPool(source.pool, { config, onMessage }, subjectOn)
  const proxy = onMessage ? await startWireProxy({ target: source.url, onMessage }) : undefined
  const wanted = { ...config, connectionString: proxy?.url ?? source.url, max }
  const pool = source.poolFactory ? source.poolFactory(wanted) : new pg.Pool(wanted)
  const sockets = watchSockets(pool)
  const subject = subjectOn(pool)
  const poolIsWatched = pool.listenerCount('error') > 0
  // The kit must outlive its own attacks; whether the subject would have is asked by the attack on hazard r.
  pool.on('error', () => {})
  return {
    pool,
    subject,
    poolIsWatched,
    close: async () => {
      await endSoon(pool, sockets, subject)
      await proxy?.close()
    },
  }
}

function onGivenPool(
  pool: Pool | undefined,
  { config, onMessage }: { config: PoolConfig; onMessage: RigOptions['onMessage'] },
  subjectOn: (pool: Pool) => Subject,
): Rig {
  if (!pool) throw new NotApplicable('neither pool nor url was given')
  if (onMessage) throw new NotApplicable('needs a connection through the wire proxy: give url')
  if (Object.keys(config).length > 0) throw new NotApplicable('needs a pool of its own: give url')
  const subject = subjectOn(pool)
  const poolIsWatched = pool.listenerCount('error') > 0
  const ignore = () => {}
  pool.on('error', ignore)
  return {
    pool,
    subject,
    poolIsWatched,
    close: async () => {
      await subject.close?.()
      pool.off('error', ignore)
    },
  }
}

type Socketed = PoolClient & { connection?: { stream?: { destroy(): void } } }

function watchSockets(pool: Pool): Set<Socketed> {
  const clients = new Set<Socketed>()
  pool.on('connect', (client) => {
    clients.add(client)
    client.on('error', () => {})
  })
  pool.on('remove', (client) => void clients.delete(client as Socketed))
  return clients
}

async function endSoon(pool: Pool, sockets: Set<Socketed>, subject: Subject): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, END_PATIENCE_MS)
  })
  await Promise.race([Promise.all([pool.end(), subject.close?.()]).catch(() => {}), late])
  clearTimeout(timer)
  for (const client of sockets) client.connection?.stream?.destroy()
}
