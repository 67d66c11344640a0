import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Readable, Writable } from 'node:stream'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { backupTenant } from '../../src/archive/backup.ts'
import type { ArchiveManifest } from '../../src/archive/format/manifest.ts'
import { openSink } from '../../src/archive/format/sink.ts'
import { ByteReader } from '../../src/archive/format/source.ts'
import { ArchiveWriter } from '../../src/archive/format/writer.ts'
import { inspectArchive } from '../../src/archive/inspect.ts'
import { restoreTenant } from '../../src/archive/restore/restore.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { codeOf, eventually, useWorld } from '../support/world.ts'
import { keyOf, lifecycleOf, provisioned, useFolder } from './support.ts'

const world = useWorld([])
const folder = useFolder()
let lifecycle: Lifecycle
let archive: Buffer

beforeAll(async () => {
  lifecycle = lifecycleOf(world)
  const tenant = await provisioned(lifecycle, 'source')
  await world
    .tenancy()
    .query('source', `insert into notes (body) select md5(i::text) from generate_series(1, 2000) i`)
  const to = folder.path('source')
  await backupTenant(lifecycle, tenant, { to })
  archive = await readFile(to)
})

/** The bytes in pieces of any size, as a network hands them over. */
async function* pieces(bytes: Buffer, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const refused = async (bytes: Buffer) => codeOf(inspectArchive(pieces(bytes)))

describe('an archive', () => {
  it('reads the same in pieces of any size', async () => {
    const whole = await inspectArchive(Readable.from([archive]))
    for (const size of [1, 7, 4096]) expect(await inspectArchive(pieces(archive, size))).toEqual(whole)
    expect(whole.bytes).toBe(archive.length)
  })

  it('whose source says nothing more is given up by a signal', async () => {
    const controller = new AbortController()
    const silent = new Readable({ read: () => {} })
    let code: string | undefined
    void codeOf(new ByteReader(silent, controller.signal).take(1)).then((given) => {
      code = given
    })
    controller.abort()
    await eventually(() => code === 'ABORTED')
  })

  it('is refused when any of its bytes changed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(archive.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = Buffer.from(archive)
        changed[at] = (changed[at] as number) ^ change
        return (await refused(changed)) === 'VALIDATION_ERROR'
      }),
      { numRuns: 300 },
    )
    // Heads and digests of the frames are few among so many bytes: the first and the last of them, byte by byte.
    const ends = [...Array(120).keys(), ...[...Array(120).keys()].map((at) => archive.length - 1 - at)]
    for (const at of ends) {
      const changed = Buffer.from(archive)
      changed[at] = (changed[at] as number) ^ 1
      expect(await refused(changed), `byte ${at}`).toBe('VALIDATION_ERROR')
    }
  })

  it('is refused when it was cut off, or something follows', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(archive.length - 1),
        async (length) => (await refused(archive.subarray(0, length))) === 'VALIDATION_ERROR',
      ),
      { numRuns: 200 },
    )
    await expect(inspectArchive(pieces(archive.subarray(0, -1)))).rejects.toMatchObject({
      details: { reason: 'truncated' },
    })
    const longer = Buffer.concat([archive, Buffer.of(0)])
    await expect(inspectArchive(pieces(longer))).rejects.toMatchObject({ details: { reason: 'trailing' } })
    const newer = Buffer.from(archive)
    newer[8] = 2
    await expect(inspectArchive(pieces(newer))).rejects.toMatchObject({ details: { reason: 'version' } })
    expect(await codeOf(inspectArchive(folder.path('not-there')))).toBe('NOT_FOUND')
  })

  it('with a length nobody would write is refused before it fills the memory', async () => {
    let taken = 0
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield archive.subarray(0, 10)
      yield Buffer.from([0x4d, 0x80, 0, 0, 0])
      for (; taken < 200 << 20; taken += 1 << 20) yield Buffer.alloc(1 << 20)
    }
    await expect(inspectArchive(endless())).rejects.toMatchObject({ details: { reason: 'damaged' } })
    expect(taken).toBeLessThan(2 << 20)
  })

  it('that is damaged restores nothing, wherever the damage is', async () => {
    for (const part of [0.3, 0.6, 0.9, 0.999]) {
      const changed = Buffer.from(archive)
      const at = Math.floor(archive.length * part)
      changed[at] = (changed[at] as number) ^ 0x10
      const tenant = keyOf(lifecycle, 'damaged')
      expect(await codeOf(restoreTenant(lifecycle, tenant, { from: pieces(changed) }))).toBe(
        'VALIDATION_ERROR',
      )
      expect((await world.root.query(`select to_regnamespace('c_damaged') as s`)).rows).toEqual([{ s: null }])
    }
  })

  it('whose content does not match what it says of it is refused, although its digests are right', async () => {
    const manifest = (await inspectArchive(pieces(archive))).manifest
    const made = async (rows: number, sha256: string, data: string) => {
      const chunks: Buffer[] = []
      const to = new Writable({
        write: (chunk: Buffer, _, done) => {
          chunks.push(chunk)
          done()
        },
      })
      const writer = new ArchiveWriter(await openSink(to), 'none')
      await writer.begin(manifest as ArchiveManifest)
      void writer.add(Buffer.from(data))
      const table = { name: 'notes', rows, bytes: data.length, sha256, rowsDigest: '0'.repeat(64) }
      await writer.end({ tables: [table], sequences: [], rows, bytes: data.length })
      return Buffer.concat(chunks)
    }
    const data = '1\tx\n'
    const right = '2adcd4d7ee1dc4ad1b0a3d7cb4b0a4a3'
    expect(await refused(await made(1, right, data))).toBe('VALIDATION_ERROR')
    const sha256 = createHash('sha256').update(data).digest('hex')
    const wrong = await made(2, sha256, data)
    // The stream is as it says; the rows are found out by reading them back.
    const tenant = keyOf(lifecycle, 'miscounted')
    await expect(restoreTenant(lifecycle, tenant, { from: pieces(wrong) })).rejects.toMatchObject({
      code: 'INTERNAL_ERROR',
      details: { table: 'notes', found: 1, expected: 2 },
    })
    expect((await world.root.query(`select to_regnamespace('c_miscounted') as s`)).rows).toEqual([
      { s: null },
    ])
  })
})

describe('a generated column whose function has changed since its rows were written', () => {
  it('is not taken for what it was, and comes back as it is computed now where that is said', async () => {
    const tenant = await provisioned(lifecycle, 'computed')
    for (const sql of [
      'create function times(int) returns int language sql immutable as $f$ select $1 * 2 $f$',
      'create table product (n int, total int generated always as (times(n)) stored)',
      'insert into product values (1)',
      'create or replace function times(int) returns int language sql immutable as $f$ select $1 * 3 $f$',
    ])
      await world.tenancy().query('computed', sql)
    const from = folder.path('computed')
    await backupTenant(lifecycle, tenant, { to: from })
    const copy = keyOf(lifecycle, 'computed-copy')
    await expect(restoreTenant(lifecycle, copy, { from })).rejects.toMatchObject({
      details: { table: 'product' },
      message: expect.stringContaining("verify 'archive'"),
    })
    await restoreTenant(lifecycle, copy, { from, verify: 'archive' })
    const { rows } = await world.tenancy().query('computed-copy', 'select * from product')
    expect(rows).toEqual([{ n: 1, total: 3 }])
  })
})
