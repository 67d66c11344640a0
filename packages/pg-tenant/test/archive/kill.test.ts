// @module-tag slow: the default set has `faults/process-killed` and `archive/server-killed`.
import { readdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { backupTenant } from '../../src/archive/backup.ts'
import { inspectArchive } from '../../src/archive/inspect.ts'
import { restoreTenant } from '../../src/archive/restore/restore.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { offboard } from '../../src/offboard/offboard.ts'
import { findRemains } from '../offboard/remains.ts'
import { codeOf, eventually, useWorld } from '../support/world.ts'
import { killWhen, start } from './spawn.ts'
import { keyOf, lifecycleOf, provisioned, useFolder } from './support.ts'

const world = useWorld([])
const folder = useFolder()
let lifecycle: Lifecycle

beforeAll(() => {
  lifecycle = lifecycleOf(world)
})

const WAITS = `wait_event_type = 'Lock'`
const bodies = async (key: string) =>
  (await world.tenancy().query<{ body: string }>(key, 'select body from notes order by body')).rows.map(
    ({ body }) => body,
  )

async function filled(key: string): Promise<void> {
  await provisioned(lifecycle, key)
  await world
    .tenancy()
    .query(key, `insert into notes (body) select 'row ' || i from generate_series(1, 1000) i`)
}

/** Runs `fn` while another session holds a lock, and gives it back. */
async function whileLocked(lock: string, fn: () => Promise<void>): Promise<void> {
  const client = await world.root.connect()
  try {
    await client.query(`begin; ${lock}`)
    await fn()
  } finally {
    await client.query('rollback')
    client.release()
  }
  // The server ends the sessions of the dead client in its own time.
  await eventually(async () => {
    const { rows } = await world.root.query(
      `select from pg_stat_activity where usename = $1 and state <> 'idle'`,
      [world.adminRole],
    )
    return rows.length === 0
  })
}

describe('SIGKILL', () => {
  it('during a backup leaves no file under its name', async () => {
    await filled('kill-backup')
    const file = folder.path('kill-backup')
    await whileLocked('lock table "c_kill-backup".notes', () =>
      killWhen(world, start(world, ['backup', 'kill-backup', file]), WAITS),
    )
    const left = await readdir(dirname(file))
    expect(left).not.toContain('kill-backup')
    // It had begun, so that this test would notice a backup that writes in place.
    expect(left.filter((name) => name.startsWith('kill-backup.'))).toHaveLength(1)
    await backupTenant(lifecycle, keyOf(lifecycle, 'kill-backup'), { to: file })
    expect((await inspectArchive(file)).summary.rows).toBe(1000)
  })

  it('during a restore leaves nothing, and it can be run again', async () => {
    await filled('kill-source')
    const file = folder.path('kill-source')
    await backupTenant(lifecycle, keyOf(lifecycle, 'kill-source'), { to: file, compression: 'none' })
    const bytes = await readFile(file)
    const child = start(world, ['restore', 'kill-restore', '-'])
    // All but the end: the data is in the table, COMMIT is not.
    child.stdin?.write(bytes.subarray(0, bytes.length - 100))
    await killWhen(world, child, `query like 'copy%from stdin'`)
    const { rows } = await world.root.query(`select to_regnamespace('"c_kill-restore"') as s`)
    expect(rows).toEqual([{ s: null }])
    await eventually(async () => {
      const { rows } = await world.root.query(
        `select from pg_stat_activity where query like 'copy%from stdin' and state = 'active'`,
      )
      return rows.length === 0
    })
    await restoreTenant(lifecycle, keyOf(lifecycle, 'kill-restore'), { from: file })
    expect(await bodies('kill-restore')).toHaveLength(1000)
  })

  const phases = [
    ['its drops', 'lock table "c_KEY".notes in access share mode', 1],
    ['its backup', 'lock table "c_KEY".notes', 0],
    ['its last transaction', 'lock table tenancy.tenant_migration', 1],
  ] as const
  it.each(phases)(
    'during %s, an off-boarding is finished by running it again',
    async (phase, lock, backups) => {
      const key = `kill-${phase.length}`
      await filled(key)
      const file = folder.path(key)
      await whileLocked(lock.replaceAll('KEY', key), () =>
        killWhen(world, start(world, ['offboard', key, file]), WAITS),
      )
      const tenant = keyOf(lifecycle, key)
      expect((await world.tenancy().find(key))?.status).toBe('deleting')
      // Closed, whatever phase it was in: no write can be acknowledged that is not in the backup.
      expect(await codeOf(world.tenancy().query(key, 'select 1'))).toBe('TENANT_NOT_FOUND')
      const { length } = (await readdir(dirname(file))).filter((name) => name === key)
      expect(length).toBe(backups)
      const receipt = await offboard(lifecycle, tenant, { confirm: key, backup: { to: file } })
      expect(receipt).toMatchObject({ status: 'deleted', rows: 1000, backup: { file } })
      expect(await findRemains(lifecycle, tenant)).toEqual([])
      expect((await inspectArchive(file)).sha256).toBe(receipt.backup?.sha256)
      await restoreTenant(lifecycle, tenant, { from: file })
      expect(await bodies(key)).toHaveLength(1000)
    },
  )
})
