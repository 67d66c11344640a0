import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { EXIT } from '../src/index.ts'
import { useFolder } from './support.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const folder = useFolder()

const list = () =>
  spawnSync(process.execPath, ['--conditions=@org/source', MAIN, 'list'], {
    cwd: folder.path,
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE },
    encoding: 'utf8',
  })

it('reads a configuration in TypeScript', async () => {
  await folder.write(
    'pg-tenant.config.ts',
    `const url: string = 'postgres://u@127.0.0.1:1/d'\nexport default { databaseUrl: url, migrations: [] satisfies object[] }`,
  )
  const { stderr, status } = list()
  expect(stderr).toContain('ECONNREFUSED')
  expect(stderr).not.toContain('Warning')
  expect(status).toBe(EXIT.connection)
})

it.each([
  ['export default {', 'Unexpected'],
  ['enum Level { one }\nexport default {}', 'enum'],
  ["import { nothing } from 'node:path'", "'nothing'"],
  ["JSON.parse('hunter2')", 'threw a SyntaxError'],
])('says what is wrong with %j', { tags: 'slow' }, async (config, text) => {
  await folder.write('pg-tenant.config.ts', config)
  const { stderr, status } = list()
  expect(stderr).toContain(text)
  expect(stderr).not.toContain('hunter2')
  expect(status).toBe(EXIT.configuration)
})
