// @module-tag sampled
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type PublicFunction, publicFunctions } from '../docs/public.ts'
import { typeErrorsIn } from '../examples/check-types.ts'
import { programOf } from '../examples/program.ts'

type Shown = PublicFunction & { readonly example: string }

const ROOT = join(import.meta.dirname, '../..')
const FUNCTIONS = publicFunctions()
/** Those that a test runner runs have a file of their own beside the tests. */
const ALL = FUNCTIONS.filter(
  (one): one is Shown => one.example !== undefined && !one.example.startsWith('// vitest'),
)
const SLOW = Boolean(process.env.TEST_SLOW)
/** All of them in the slow set, else every 24th, which is run and not compiled: for that the compiler reads all sources. */
const SHOWN = ALL.filter((_, at) => SLOW || at % 24 === 0)
const PACKAGES = [...new Set(FUNCTIONS.map((one) => one.package))]

/** In each package, so that an example finds what its reader has installed. */
const folders = new Map(
  PACKAGES.map((name) => [name, mkdtempSync(join(ROOT, 'packages', name, 'test/examples-'))]),
)
afterAll(() => {
  for (const folder of folders.values()) rmSync(folder, { recursive: true, force: true })
})

const fileOf = ({ name, package: owner }: PublicFunction): string =>
  join(folders.get(owner) ?? '', name.replace(/\W+/g, '-'))

/** What a new project begins with; what serves Hono is not installed here. */
const BEGINNINGS = ['tenancy', 'Express', 'Hono', 'Fastify', 'Nest', 'Next']
const beginningOf = (name: string) => join(folders.get('pg-tenant') ?? '', `${name}.ts`)

function writeBeginnings(): string[] {
  const text = readFileSync(join(ROOT, 'packages/pg-tenant/README.md'), 'utf8')
  return BEGINNINGS.map((name) => {
    const from = Math.max(text.indexOf(`### ${name}`), 0)
    const [, block = ''] = /```ts\n(.*?)```/s.exec(text.slice(from)) ?? []
    writeFileSync(beginningOf(name), block.replace(/^.*\bserve\b.*\n/gm, ''))
    return beginningOf(name)
  })
}

let wrong: ReadonlyMap<string, string[]>
/** What each program threw. All run in one process on the run's server, in a database of their own. */
let threw: Readonly<Record<string, string>>

beforeAll(async () => {
  for (const one of SHOWN) {
    writeFileSync(`${fileOf(one)}.ts`, `${one.example}\nexport {}\n`)
    // What is no program at all is told by the compiler.
    writeFileSync(`${fileOf(one)}.mjs`, await programOf(one.example).catch(() => ''))
  }
  wrong = SLOW ? typeErrorsIn([...SHOWN.map((one) => `${fileOf(one)}.ts`), ...writeBeginnings()]) : new Map()
  const { stderr } = await promisify(execFile)(
    process.execPath,
    ['--conditions=@org/source', '--no-warnings', join(ROOT, 'tools/examples/run.ts'), ...folders.values()],
    { env: { ...process.env, TEST_DATABASE_URL: inject('pgTenantServerUrl') }, maxBuffer: 16_777_216 },
  )
  threw = JSON.parse(/^failed: (.*)$/m.exec(stderr)?.[1] ?? '')
})

it('finds the public functions of every package', () => {
  expect(FUNCTIONS.length).toBeGreaterThan(100)
  expect(FUNCTIONS.map(({ name }) => name)).toContain('@org/pg-tenant: createTenancy')
})

it('every public function shows how it is used, between fences behind @example', () => {
  const bare = FUNCTIONS.filter(({ example }) => example === undefined)
  expect(bare.map(({ name, file }) => `${name} (${file})`)).toEqual([])
})

describe('the example of', () => {
  it.each(SHOWN.map((one) => [one.name, one] as const))(
    '%s runs (and compiles, in the slow set), and says of values what is so',
    (_, one) => {
      const said = [...(wrong.get(`${fileOf(one)}.ts`) ?? []), threw[`${fileOf(one)}.mjs`]].filter(Boolean)
      if (said.length > 0) throw new Error(`${one.file}:\n${said.join('\n')}`)
    },
  )
})

it.runIf(SLOW).each(BEGINNINGS)('the README’s block %s compiles in a strict project', (name) => {
  expect(wrong.get(beginningOf(name))).toEqual([])
})

describe('a program', () => {
  const outcome = async (text: string): Promise<unknown> =>
    import(`data:text/javascript,${encodeURIComponent(await programOf(text))}`).then(() => 'ran', String)

  it.each(['1 + 1 // → 2', 'const sum = 1 + 1 // → 2', "Promise.reject({ code: 'NO' }) // → throws NO"])(
    '%s runs',
    async (text) => {
      expect(await outcome(text)).toBe('ran')
    },
  )

  it.each(['1 + 1 // → 3', 'const sum = 1 + 1 // → 3', '1 // → throws NO'])(
    'control: %s does not',
    async (text) => {
      expect(await outcome(text)).toMatch(/AssertionError/)
    },
  )
})
