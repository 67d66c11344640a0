import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { type PublicFunction, publicFunctions } from '../docs/public.ts'

/** Packages whose every public function shows in its docstring how it is used. The others are on their way. */
const COMPLETE = ['pg-testing']
const FUNCTIONS = publicFunctions()
const SHOWN = FUNCTIONS.filter(
  (one): one is PublicFunction & { example: string } =>
    one.example !== undefined && COMPLETE.includes(one.package),
)
/** Here, so that packages are found as from anywhere in the workspace. */
const folder = mkdtempSync(join(import.meta.dirname, 'examples-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs an example as a program of its own, on the run's server. */
async function run(name: string, text: string): Promise<void> {
  const file = join(folder, `${name.replace(/\W+/g, '-')}.mts`)
  writeFileSync(file, text)
  const env = { ...process.env, TEST_DATABASE_URL: inject('pgTenantServerUrl') }
  await promisify(execFile)(process.execPath, ['--conditions=@org/source', '--no-warnings', file], { env })
}

it('finds the public functions of every package', () => {
  expect(FUNCTIONS.length).toBeGreaterThan(100)
  expect(FUNCTIONS.map(({ name }) => name)).toContain('@org/pg-tenant: createTenancy')
})

it.each(COMPLETE)('of %s every public function has an example', (name) => {
  const bare = FUNCTIONS.filter((one) => one.package === name && one.example === undefined)
  expect(bare.map((one) => `${one.name} (${one.file})`)).toEqual([])
})

describe('the example of', () => {
  const programs = SHOWN.filter(({ example }) => !example.startsWith('// vitest'))
  it.each(programs.map(({ name, example }) => [name, example] as const))('%s runs', async (name, example) => {
    await run(name, example)
  })
})
