// Runs as a process of its own, so that nothing but the contender is on its heap. Prints samples as JSON.
import { createTenancy } from '@org/pg-tenant'
import { createTenantManager, defineConfig } from 'drizzle-multitenant'
import { eq } from 'drizzle-orm'
import pg from 'pg'
import { notes, SCOPED } from '../contenders/statement.ts'
import { manyKey } from './many-tenants.ts'

export interface MemoryJob {
  readonly who: 'ours' | 'drizzle-multitenant'
  readonly url: string
  readonly prefix: string
  /** Sample after so many distinct tenants. */
  readonly samples: readonly number[]
}

/** Bytes, after a forced collection. */
export interface MemorySample {
  readonly tenants: number
  readonly heap: number
  readonly rss: number
  readonly connections: number
  readonly failures: number
}

const AT_ONCE = 10
/** Statements before the first tenant counts: compiled code is memory too. */
const WARM_UP = 3_000

type Served = { serve(key: string): Promise<unknown>; close(): Promise<unknown> }

function ours({ url, prefix }: MemoryJob): Served {
  const pool = new pg.Pool({ connectionString: url, max: AT_ONCE })
  const tenancy = createTenancy({ pool, schemaPrefix: prefix, rolePrefix: prefix })
  return {
    serve: (key) => tenancy.query(key, SCOPED, [1]),
    close: () => pool.end(),
  }
}

function poolPerTenant({ url, prefix }: MemoryJob): Served {
  const tenants = createTenantManager(
    defineConfig({
      connection: { url },
      isolation: { strategy: 'schema', schemaNameTemplate: (id) => prefix + id },
      schemas: { tenant: { notes } },
    }),
  )
  return {
    serve: async (key) => await tenants.getDb(key).select().from(notes).where(eq(notes.id, 1)),
    close: () => tenants.dispose(),
  }
}

async function main(job: MemoryJob): Promise<MemorySample[]> {
  const { serve, close } = job.who === 'ours' ? ours(job) : poolPerTenant(job)
  const observer = new pg.Client(job.url)
  await observer.connect()
  const samples: MemorySample[] = []
  let [served, failures] = [0, 0]
  const attempt = (key: string) => serve(key).catch(() => void failures++)
  const upTo = async (tenants: number) => {
    const lane = async () => {
      while (served < tenants) await attempt(manyKey(++served))
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
  }
  for (let time = 0; time < WARM_UP; time += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => attempt(manyKey(at + 1))))
  }
  for (const tenants of job.samples) {
    await upTo(tenants)
    const connections = await connectionsOf(observer)
    samples.push({ tenants, ...memory(), connections, failures })
  }
  await observer.end()
  await close()
  return samples
}

/** Those of this process's role, without the observer's own. */
async function connectionsOf(observer: pg.Client): Promise<number> {
  const { rows } = await observer.query<{ count: number }>(
    'select count(*)::int - 1 as count from pg_stat_activity where usename = current_user and datname = current_database()',
  )
  return rows[0]?.count ?? 0
}

function memory(): { heap: number; rss: number } {
  for (let time = 0; time < 4; time++) globalThis.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  return { heap: heapUsed, rss }
}

const [, , job = '{}'] = process.argv
process.stdout.write(JSON.stringify(await main(JSON.parse(job))))
