import { PgBoss } from 'pg-boss'
import { ACME, assert, end, GLOBEX, no, tenancy, test } from './world.mjs'

const executor = (db) => ({ executeSql: (text, values) => db.query(text, values) })
const make = (key) =>
  new PgBoss({
    db: executor(tenancy.pool(key)),
    schema: tenancy.schemaOf(key),
    createSchema: false,
    supervise: false,
    schedule: false,
  })
const jobs = async (key) =>
  (await tenancy.query(key, `select count(*)::int as n from ${tenancy.schemaOf(key)}.job`)).rows[0].n

const boss = make(ACME)
test('pg-boss in the tenant’s own schema', async (t) => {
  await t.test('installs itself', async () => {
    await boss.start()
    await boss.createQueue('q')
  })
  await t.test('sends, fetches, completes', async () => {
    assert(await boss.send('q', { n: 1 }))
    const [job] = await boss.fetch('q')
    assert.deepEqual(job.data, { n: 1 })
    await boss.complete('q', job.id)
    await boss.insert(
      'q',
      Array.from({ length: 50 }, (_, i) => ({ data: { i } })),
    )
    assert.equal((await boss.fetch('q', { batchSize: 50 })).length, 50)
  })
  await t.test('works', async () => {
    const got = new Promise((resolve) => {
      boss.work('q', { pollingIntervalSeconds: 0.5 }, async ([job]) => resolve(job.data))
    })
    await boss.send('q', { w: 1 })
    assert.deepEqual(await got, { w: 1 })
    await boss.offWork('q')
  })
  await t.test('sends with the scope that it is sent in, or not at all', async () => {
    const before = await jobs(ACME)
    const send = (db) => boss.send('q', { in: 1 }, { db: executor(db) })
    await assert.rejects(
      tenancy.withTenant(ACME, async (db) => {
        await send(db)
        no()
      }),
      /no/,
    )
    assert.equal(await jobs(ACME), before)
    await tenancy.withTenant(ACME, send)
    assert.equal(await jobs(ACME), before + 1)
  })
  await t.test('has nothing of another tenant', async () => {
    const other = make(GLOBEX)
    await other.start()
    await other.createQueue('q')
    assert.deepEqual([await other.fetch('q'), await jobs(GLOBEX)], [[], 0])
    await other.stop({ graceful: false, close: false })
  })
  await boss.stop({ graceful: false, close: false })
  await end()
})
