import { beforeAll, expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useProject } from './project.ts'

const project = useProject('seed: async () => {}')
const { run } = project

beforeAll(() => run('create acme'))

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
