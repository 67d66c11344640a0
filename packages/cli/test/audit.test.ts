import { randomBytes } from 'node:crypto'
import { auditLog } from '@org/governance/audit'
import { createTenancy } from '@org/pg-tenant'
import { eventually } from '@org/pg-testing'
import { expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'

const { run, world, env } = useProject()

it('the audit log is installed, listed, sealed and verified; a change is noticed', async () => {
  const key = randomBytes(32)
  await run('create acme')
  expect((await run('audit install')).stdout).toBe('The audit log is installed.\n')
  expect((await run('audit verify acme')).exit).toBe(EXIT.configuration)
  Object.assign(env, { AUDIT_KEYS: `k1=${key.toString('base64')}` })
  const tenancy = createTenancy({ pool: world.pool(), rolePrefix: world.rolePrefix })
  const log = auditLog({ keys: { k1: key } })
  await tenancy.withTenant('acme', (db) =>
    log.record(db, { actor: { type: 'user', id: 'u1' }, action: 'notes.note.create', requestId: 'r1' }),
  )
  expect((await run('audit list acme')).stdout).toContain('notes.note.create')
  expect((await run('audit list acme --actor nobody --json')).json()).toMatchObject({ data: [] })
  await eventually(async () => {
    await run('audit seal')
    return (await run('audit verify acme --json')).json<{ entries: number }>().entries === 1
  })
  expect((await run('audit verify acme')).stdout).toContain('As it was written: 1 sealed')
  await world.root.query(`update governance.audit_log set actor_id = 'boss'`)
  const changed = await run('audit verify acme')
  expect([changed.exit, changed.stdout]).toEqual([EXIT.failed, expect.stringContaining('entry_changed')])
  for (const bad of ['audit', 'audit burn', 'audit verify']) expect((await run(bad)).exit).toBe(EXIT.usage)
  expect((await run('audit list ACME')).exit).toBe(EXIT.usage)
})
