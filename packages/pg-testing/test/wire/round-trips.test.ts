import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { describe, expect, it } from 'vitest'
import { connected, scratchTable } from './database.ts'
import { proxied } from './proxied.ts'

describe('round trips on the wire', () => {
  it('login is none, a simple query one, an extended one as well', async () => {
    await using wire = await proxied()
    await using client = await connected(wire.proxy.url)
    expect(wire.proxy.roundTrips()).toBe(0)
    await client.query('select 1')
    expect(wire.proxy.roundTrips()).toBe(1)
    await client.query('select $1::int', [1])
    expect(wire.proxy.roundTrips()).toBe(2)
  })

  it('BEGIN, a query and COMMIT awaited one by one are three', async () => {
    await using wire = await proxied()
    await using client = await connected(wire.proxy.url)
    for (const sql of ['begin', 'select 1', 'commit']) await client.query(sql)
    expect(wire.proxy.roundTrips()).toBe(3)
    expect(wire.proxy.counts().get('frontend:Query')).toBe(3)
  })

  it('three in one Query are one', async () => {
    await using wire = await proxied()
    await using client = await connected(wire.proxy.url)
    await client.query('begin; select 1; commit')
    expect(wire.proxy.roundTrips()).toBe(1)
  })

  it('three sent without waiting are one', async () => {
    // On a link this slow the first answer cannot be back before the last query is out.
    await using wire = await proxied({ roundTripMs: 100 })
    await using client = await connected(wire.proxy.url, { pipeline: true })
    const all = ['begin', 'select 1', 'commit'].map((sql) => client.query(sql))
    await Promise.all(all)
    expect(wire.proxy.roundTrips()).toBe(1)
    expect(wire.proxy.counts().get('backend:ReadyForQuery')).toBe(4)
  })

  it('an error is an answer', async () => {
    await using wire = await proxied()
    await using client = await connected(wire.proxy.url)
    await expect(client.query('select 1/0')).rejects.toMatchObject({ code: '22012' })
    expect(wire.proxy.roundTrips()).toBe(1)
  })

  it('a query larger than any chunk is one', async () => {
    await using wire = await proxied()
    await using client = await connected(wire.proxy.url)
    const text = 'x'.repeat(3_000_000)
    const { rows } = await client.query('select $1::text as text', [text])
    expect(rows[0].text).toBe(text)
    expect(wire.proxy.roundTrips()).toBe(1)
  })

  it('COPY in is two, COPY out one, and every row arrives', { tags: 'slow' }, async () => {
    await using table = await scratchTable()
    await using wire = await proxied()
    await using client = await connected(wire.proxy.url)
    const ids = Array.from({ length: 50_000 }, (_, id) => `${id}\n`)
    await pipeline(Readable.from(ids), client.query(copyFrom(`copy ${table.name} from stdin`)))
    expect(wire.proxy.roundTrips()).toBe(2)
    const out = await client
      .query(copyTo(`copy (select id from ${table.name} order by id) to stdout`))
      .toArray()
    expect(Buffer.concat(out).toString()).toBe(ids.join(''))
    expect(wire.proxy.roundTrips()).toBe(3)
  })

  it('adds up over connections, and starts again from reset', async () => {
    await using wire = await proxied()
    await using one = await connected(wire.proxy.url)
    await using other = await connected(wire.proxy.url)
    await Promise.all([one.query('select 1'), other.query('select 1')])
    expect(wire.proxy.roundTrips()).toBe(2)
    expect(wire.proxy.connections()).toBe(2)
    wire.proxy.reset()
    expect(wire.proxy.roundTrips()).toBe(0)
    expect(wire.proxy.counts().size).toBe(0)
    await one.query('select 1')
    expect(wire.proxy.roundTrips()).toBe(1)
  })
})
