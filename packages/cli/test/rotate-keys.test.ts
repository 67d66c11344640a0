// @module-tag slow: a recipe that others look at by parts.
import { randomBytes } from 'node:crypto'
import { keyRing } from '@org/crypto'
import { beforeAll, expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'

const project = useProject()
const { run, world } = project
const [older, newer] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')]
const both = { SETTINGS_ENCRYPTION_KEY: newer, SETTINGS_ENCRYPTION_KEYS_RETIRED: older }

const placeOf = (tenant: string) => ({ tenant, table: 'app_settings', name: 'smtp.password' })
async function open(tenant: string, key: string): Promise<string> {
  const { rows } = await world.root.query<{ value: string }>(`select value from c_${tenant}.app_settings`)
  return keyRing({ key }).open(rows[0]?.value ?? '', placeOf(tenant))
}

beforeAll(async () => {
  for (const key of ['acme', 'bravo', 'charlie']) {
    await run(`create ${key}`)
    const sealed = keyRing({ key: older }).seal(`of ${key}`, placeOf(key))
    await world.root.query(`insert into c_${key}.app_settings (key, value) values ('smtp.password', $1)`, [
      sealed,
    ])
  }
})

it('says which keys are in use and changes nothing', async () => {
  const { exit, json } = await run('rotate-keys --dry-run --json', { env: both })
  expect(exit).toBe(EXIT.ok)
  expect(json()).toMatchObject({
    dryRun: true,
    tenants: 3,
    resealed: 3,
    foundUnder: { [keyRing({ key: older }).keyId ?? '']: 3 },
  })
  expect(await open('acme', older)).toBe('of acme')
})

it('stops when asked to, and says from where to go on', async () => {
  const { exit, stderr } = await run('rotate-keys', { env: both, signal: AbortSignal.abort() })
  expect(exit).toBe(EXIT.interrupted)
  expect(stderr).toContain('To go on: pg-tenant rotate-keys')
})

it('seals everything under the current key', async () => {
  const { exit, stdout } = await run('rotate-keys', { env: both })
  expect(exit).toBe(EXIT.ok)
  expect(stdout).toContain('3 tenants, 3 secrets: 3 sealed anew, 0 current')
  expect(await open('charlie', newer)).toBe('of charlie')
  await expect(open('charlie', older)).rejects.toMatchObject({ code: 'ENVELOPE_UNREADABLE' })
})

it('fails when something opens under no key, and names it without its value', async () => {
  const { exit, stderr } = await run('rotate-keys', { env: { SETTINGS_ENCRYPTION_KEY: older } })
  expect(exit).toBe(EXIT.failed)
  expect(stderr).toContain('acme: app_settings.smtp.password: ENVELOPE_UNREADABLE')
})

it('needs a key', async () => {
  const { exit, stderr } = await run('rotate-keys', { env: { SETTINGS_ENCRYPTION_KEY: '' } })
  expect(exit).toBe(EXIT.configuration)
  expect(stderr).toContain('KEY_MISSING')
})
