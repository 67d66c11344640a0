import { eventually } from '@org/pg-testing'
import pg from 'pg'
import type { Setting } from './setting.ts'

/**
 * An administrator whose process is killed: before its `at`-th statement is sent (odd) or right after (even), unless it is said. All its
 * connections are cut at once, and no further one can be made.
 */
export function killedAdmin(
  setting: Setting,
  at: number,
  after = at % 2 === 0,
): { pool: pg.Pool; killed: () => boolean } {
  const clients = new Set<pg.Client>()
  let sent = 0
  let dead = false
  const kill = () => {
    dead = true
    for (const client of clients) streamOf(client).destroy()
  }
  class MortalClient extends pg.Client {
    constructor(config?: pg.ClientConfig) {
      super(config)
      this.on('error', () => {})
      clients.add(this)
      if (dead) queueMicrotask(() => streamOf(this).destroy())
    }
    // pg's own overloads are kept: what is passed on is what came.
    override query = ((...args: Parameters<pg.Client['query']>) => {
      sent++
      if (sent === at && !after) kill()
      const answer: unknown = pg.Client.prototype.query.apply(this, args)
      if (sent === at && after) kill()
      return answer
    }) as pg.Client['query']
  }
  const pool = new pg.Pool({
    connectionString: setting.world.adminUrl,
    max: 2,
    Client: MortalClient,
  } as pg.PoolConfig)
  pool.on('error', () => {})
  // What was sent before the end is still carried out: whoever looks then would see it half done.
  const over = async () => {
    const pids = [...clients].map((client) => (client as pg.Client & { processID: number | null }).processID)
    const { rows } = await setting.world.root.query(
      'select from pg_stat_activity where pid = any ($1::int[])',
      [pids],
    )
    return rows.length === 0
  }
  const end = pool.end.bind(pool)
  pool.end = (async () => {
    await end().catch(() => {})
    await eventually(over)
  }) as typeof pool.end
  return { pool, killed: () => dead }
}

function streamOf(client: pg.Client): { destroy(): void } {
  return (client as pg.Client & { connection: { stream: { destroy(): void } } }).connection.stream
}
