// @module-tag slow: every command that names a tenant; life.test.ts asks those of the everyday for one there is not.
import { randomBytes } from 'node:crypto'
import { beforeAll, expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'

const personal = `governance: { privacy: { data: { tables: new Map() } } }`
const project = useProject(`seed: async () => {}, ${personal}`)
const { run } = project

project.env.AUDIT_KEYS = `k1=${randomBytes(32).toString('base64')}`

beforeAll(async () => {
  await run('create acme')
  for (const part of ['audit', 'outbox', 'privacy', 'retention', 'usage']) await run(`${part} install`)
})

it.each([
  'status nobody',
  'status acme nobody',
  'migrate nobody',
  'migrate acme nobody --dry-run',
  'stats nobody',
  'stats acme nobody --exact',
  'verify nobody',
  'verify acme nobody',
  'seed nobody',
  'seed acme nobody',
  'env nobody',
  'suspend nobody',
  'suspend nobody --dry-run',
  'resume nobody',
  'drop nobody --confirm nobody --no-backup',
  'drop nobody --confirm nobody',
  'drop nobody --dry-run',
  'backup nobody --to nobody.pgtenant',
  'backup acme nobody --folder backups',
  'backup nobody --format pg_dump --to nobody.dump',
  'export nobody --to nobody.jsonl',
  'adopt nobody --confirm',
  'audit list nobody',
  'audit verify nobody',
  'audit export nobody --to audit.jsonl',
  'usage list nobody',
  'usage limits nobody',
  'usage limits nobody --set users=1',
  'usage limits nobody --set users=1 --dry-run',
  'retention enrol nobody',
  'retention hold nobody --reason case-7',
  'privacy check nobody',
  'privacy export nobody p1 --to p1.json',
  'privacy erase nobody p1 --dry-run',
  'privacy ledger nobody',
  'privacy replay nobody',
  'webhooks list nobody',
  'webhooks redeliver nobody --status failed --dry-run',
])('%s: there is no such tenant', async (line) => {
  const { exit, stderr } = await run(line)
  expect(stderr).toContain('TENANT_NOT_FOUND')
  expect(exit).toBe(EXIT.refused)
})

it('before anything of the others is done', async () => {
  await project.migration('0002_later', 'create table later (id int)')
  expect((await run('migrate acme nobody')).exit).toBe(EXIT.refused)
  expect((await run('status acme')).stdout).toMatch(/acme/)
  const { rows } = await project.world.root.query(`select to_regclass('c_acme.later') as later`)
  expect(rows).toEqual([{ later: null }])
})

it.each([
  'audit install acme',
  'audit seal acme',
  'usage install acme',
  'usage roll-up acme',
  'retention install acme',
  'retention run acme',
  'retention check acme',
  'retention holds acme',
  'privacy install acme',
])('%s: what is done for all is not done where one is named', async (line) => {
  const { exit, stderr } = await run(line)
  expect(stderr).toContain('takes no tenant')
  expect(exit).toBe(EXIT.usage)
})
