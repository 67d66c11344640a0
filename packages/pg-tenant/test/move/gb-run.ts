/**
 * How long a large tenant is out of service while it moves, level by level and both ways, with writers at work:
 * `node --conditions=@org/source packages/pg-tenant/test/move/gb-run.ts --megabytes 1000 --levels role,row --copy stream,replication`
 */
import { parseArgs } from 'node:util'
import { isTenancyError } from '@org/core'
import { startPostgres, type TestWorld, testSealing, testWorld } from '@org/pg-testing'
import { createFleet, createTenancy, type IsolationLevel } from '../../src/index.ts'

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '1000' },
    levels: { type: 'string', default: 'schema,role,login,database,row' },
    copy: { type: 'string', default: 'stream,replication' },
    writers: { type: 'string', default: '4' },
  },
})
const eu = await startPostgres({
  settings: { wal_level: 'logical', shared_buffers: '512MB', max_wal_size: '4GB' },
})
const us = await startPostgres({ settings: { shared_buffers: '512MB', max_wal_size: '4GB' } })
const worlds = {
  eu: await testWorld({ server: eu.url, createdb: true }),
  us: await testWorld({ server: us.url, createdb: true }),
}
await worlds.eu.root.query(`alter role ${worlds.eu.adminRole} replication`)
await worlds.us.root.query(`grant set on parameter session_replication_role to ${worlds.us.adminRole}`)
const sealing = testSealing()

function tenancyAt(world: TestWorld, level: IsolationLevel) {
  const columns = `id bigint generated always as identity, kind int not null default 1, body text not null`
  const sql =
    level === 'row'
      ? `create table items (tenant_id text not null, ${columns}, primary key (tenant_id, id)); create index on items (tenant_id, kind)`
      : `create table items (${columns}, primary key (id)); create index on items (kind)`
  return createTenancy({
    pool: world.pool({ max: 10 }),
    adminPool: world.admin,
    isolation: level,
    schemaPrefix: `${level}_`,
    rolePrefix: `${world.rolePrefix}${level}_`,
    migrations: [{ id: '0001_items', sql }],
    ...(level === 'login' || level === 'database' ? { credentials: sealing } : {}),
  })
}

for (const copy of values.copy.split(',') as ('stream' | 'replication')[]) {
  for (const level of values.levels.split(',') as IsolationLevel[]) {
    if (copy === 'replication' && level === 'row') continue
    const placements = { eu: tenancyAt(worlds.eu, level), us: tenancyAt(worlds.us, level) }
    const fleet = createFleet({ placements, defaultPlacement: 'eu', waitForMove: 60_000 })
    const key = `large-${copy}`
    await fleet.provision(key)
    const shared = level === 'row'
    const insert = (body: string) =>
      fleet.query(
        key,
        shared
          ? 'insert into items (tenant_id, body) values ($1, $2)'
          : 'insert into items (body) values ($1)',
        shared ? [key, body] : [body],
      )
    // A kilobyte that does not compress, a thousand times for each megabyte.
    for (let done = 0; done < Number(values.megabytes); done += 50)
      await fleet.query(
        key,
        `insert into items (${shared ? 'tenant_id, ' : ''}kind, body) select ${shared ? '$1, ' : ''}n % 100,
           (select string_agg(md5(n::text || m || random()), '') from generate_series(1, 31) m) from generate_series(1, 50000) n`,
        shared ? [key] : [],
        { statementTimeout: 600_000 } as never,
      )
    const stop = new AbortController()
    const [acknowledged, told] = [new Set<string>(), new Map<string, number>()]
    let longest = 0
    const write = async (name: string) => {
      for (let n = 0; !stop.signal.aborted; n++) {
        const began = performance.now()
        await insert(`${name} ${n}`).then(
          () => acknowledged.add(`${name} ${n}`),
          (error: unknown) => {
            const code = isTenancyError(error) ? error.code : String(error)
            told.set(code, (told.get(code) ?? 0) + 1)
          },
        )
        longest = Math.max(longest, performance.now() - began)
        await new Promise((go) => setTimeout(go, 5))
      }
    }
    const running = Array.from({ length: Number(values.writers) }, (_, n) => write(`w${n}`))
    const steps: string[] = []
    const began = performance.now()
    const { gapMs, rows } = await fleet.move(key, 'us', {
      copy,
      drain: 60_000,
      onProgress: (step) => steps.push(`${step} ${Math.round(performance.now() - began)}`),
    })
    const totalMs = Math.round(performance.now() - began)
    stop.abort()
    await Promise.all(running)
    const { rows: found } = await placements.us.query(key, `select body from items where body like 'w%'`)
    const there = new Set(found.map(({ body }) => String(body)))
    const lost = [...acknowledged].filter((body) => !there.has(body)).length
    console.log(
      JSON.stringify({
        copy,
        level,
        rows,
        totalMs,
        gapMs,
        longestMs: Math.round(longest),
        acknowledged: acknowledged.size,
        lost,
        twice: found.length - there.size,
        told: Object.fromEntries(told),
      }),
    )
    await placements.us.drop(key)
    await fleet.close()
  }
}
process.exit(0)
