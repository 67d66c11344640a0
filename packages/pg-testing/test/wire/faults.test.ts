import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { startWireProxy, type WireAction, type WireMessage, type WireSide } from '../../src/wire/index.ts'
import { eventually } from '../../src/world/settle.ts'
import { connected, databaseUrl, scratchTable } from './database.ts'
import { proxied } from './proxied.ts'
import { cancelRequest } from './wire-bytes.ts'

/** Does `action` to the COMMIT of the frontend, or to the server's report that it is done. */
const onCommit = (from: WireSide, action: WireAction) => (message: WireMessage) => {
  const isCommit = message.type === 'Query' || message.type === 'CommandComplete'
  if (isCommit && message.from === from && message.text?.toUpperCase() === 'COMMIT') return action
}

/** Inserts a row in a transaction through the proxy, whose COMMIT meets its fate. */
async function insertThrough(url: string, table: string): Promise<{ pid: number; commit: Promise<unknown> }> {
  await using client = await connected(url)
  const { rows } = await client.query('select pg_backend_pid() as pid')
  await client.query('begin')
  await client.query(`insert into ${table} values (1)`)
  const commit = client.query('commit')
  await commit.catch(() => {})
  return { pid: rows[0].pid, commit }
}

/** Only when the backend is gone is it decided whether the row is there. */
async function rowsOnceGone(pid: number, table: string): Promise<number> {
  await using client = await connected(databaseUrl())
  await eventually(async () => {
    const { rowCount } = await client.query('select from pg_stat_activity where pid = $1', [pid])
    return rowCount === 0
  })
  const { rowCount } = await client.query(`select from ${table}`)
  return rowCount ?? 0
}

describe('cutting the connection at COMMIT', () => {
  it.each<[WireSide, WireAction, number]>([
    ['frontend', 'cut-before', 0],
    ['frontend', 'cut-after', 1],
    ['backend', 'cut-before', 1],
    ['backend', 'cut-after', 1],
  ])('%s %s: the client sees an error, and %i rows are there', async (from, action, rows) => {
    await using table = await scratchTable()
    await using wire = await proxied({ onMessage: onCommit(from, action) })
    const { pid, commit } = await insertThrough(wire.proxy.url, table.name)
    await expect(commit).rejects.toThrow(/terminated|ECONNRESET/)
    expect(await rowsOnceGone(pid, table.name)).toBe(rows)
    await eventually(() => wire.proxy.connections() === 0)
  })

  it('delivers the last message before a cut after it', async () => {
    await using wire = await proxied({
      onMessage: ({ type, text }) => (type === 'ReadyForQuery' && text === 'T' ? 'cut-after' : undefined),
    })
    await using client = await connected(wire.proxy.url)
    await client.query('begin')
    await expect(client.query('select 1')).rejects.toThrow()
  })

  it('lets a long statement finish that the client is cut off from', async () => {
    await using table = await scratchTable()
    const sql = `set client_connection_check_interval = 1; select pg_sleep(0.2); insert into ${table.name} values (1)`
    await using wire = await proxied({
      onMessage: ({ text }) => (text === sql ? 'cut-after' : undefined),
    })
    await using client = await connected(wire.proxy.url)
    await expect(client.query(sql)).rejects.toThrow()
    await using direct = await connected(databaseUrl())
    await eventually(async () => (await direct.query(`select from ${table.name}`)).rowCount === 1)
  })
})

describe('dropping and holding', () => {
  it('swallows one message and lets the next pass', async () => {
    let swallowed = 0
    await using wire = await proxied({
      onMessage: ({ type, from }) => {
        if (from === 'backend' && type === 'DataRow' && swallowed++ === 0) return 'swallow'
      },
    })
    await using client = await connected(wire.proxy.url)
    const { rows } = await client.query('select * from generate_series(1, 3) as id')
    expect(rows).toEqual([{ id: 2 }, { id: 3 }])
  })

  it('drops everything from a message on, and tells neither side', async () => {
    await using wire = await proxied({
      onMessage: ({ text }) => (text === 'select 2' ? 'black-hole' : undefined),
    })
    await using client = await connected(wire.proxy.url)
    await client.query('select 1')
    const hasty = { text: 'select 2', query_timeout: 50 }
    await expect(client.query(hasty)).rejects.toThrow('Query read timeout')
    expect(wire.proxy.connections()).toBe(1)
    wire.proxy.cutAll()
    await eventually(() => wire.proxy.connections() === 0)
  })

  it('holds a message, and what follows it, until it is released', async () => {
    let release: (action: WireAction) => void = () => {}
    const held = new Promise<WireAction>((resolve) => {
      release = resolve
    })
    const seen: string[] = []
    await using wire = await proxied({
      onMessage: ({ type, text, from }) => {
        if (from === 'backend' && type === 'CommandComplete') seen.push(text ?? '')
        if (text === 'select 1') return held
      },
    })
    await using client = await connected(wire.proxy.url, { pipeline: true })
    const both = [client.query('select 1'), client.query('begin')]
    await using other = await connected(wire.proxy.url)
    await other.query('rollback')
    expect(seen).toEqual(['ROLLBACK'])
    release('deliver')
    await Promise.all(both)
    expect(seen).toEqual(['ROLLBACK', 'SELECT 1', 'BEGIN'])
  })
})

describe('failures around the proxy', () => {
  it('cuts all connections, and accepts new ones', async () => {
    await using wire = await proxied()
    await using client = await connected(wire.proxy.url)
    const pending = client.query('select pg_sleep(60)')
    pending.catch(() => {})
    await eventually(() => wire.proxy.counts().get('frontend:Query') === 1)
    wire.proxy.cutAll()
    await expect(pending).rejects.toThrow(/ECONNRESET|terminated/)
    await using next = await connected(wire.proxy.url)
    await next.query('select 1')
  })

  it('passes a cancel request on', async () => {
    await using wire = await proxied()
    await using client = await connected(wire.proxy.url)
    await using observer = await connected(databaseUrl())
    // What BackendKeyData told the driver; its types do not show it.
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
    const pending = client.query('select pg_sleep(60)')
    pending.catch(() => {})
    await eventually(async () => {
      const sql = "select from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'"
      return (await observer.query(sql, [processID])).rowCount === 1
    })
    // The proxy may reset it while closing.
    const canceller = connect(wire.proxy.port, '127.0.0.1').on('error', () => {})
    canceller.end(cancelRequest(processID, secretKey))
    await expect(pending).rejects.toMatchObject({ code: '57014' })
    expect(wire.proxy.counts().get('frontend:CancelRequest')).toBe(1)
    expect(wire.proxy.roundTrips()).toBe(1)
  })

  it('hangs up when the server is not there', async () => {
    const proxy = await startWireProxy({ target: '127.0.0.1:1' })
    await expect(connected(proxy.url)).rejects.toThrow()
    await proxy.close()
  })

  it.each(['throws', 'rejects'])(
    'reports on close what onMessage %s, and cuts the connection',
    async (how) => {
      const wire = await proxied({
        onMessage: ({ text }) => {
          if (text !== 'select 1') return
          if (how === 'rejects') return Promise.reject(new Error('from the test'))
          throw new Error('from the test')
        },
      })
      await using client = await connected(wire.proxy.url)
      await expect(client.query('select 1')).rejects.toThrow()
      await expect(wire.proxy.close()).rejects.toThrow('from the test')
    },
  )
})
