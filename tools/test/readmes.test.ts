import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const MANIFESTS = globSync('packages/*/package.json', { cwd: ROOT })
/** One address in all of them. */
const WHERE: unknown = JSON.parse(read('packages/core/package.json')).repository.url

it.each(globSync('packages/*/README.md', { cwd: ROOT }))('%s stands alone on a registry', (file) => {
  expect([...read(file).matchAll(/\]\((\.\.?\/[^)]*)\)/g)].map(([, link]) => link)).toEqual([])
})

it.each(MANIFESTS)('%s says where it comes from and which Node.js it needs', (file) => {
  const { repository, engines, files } = JSON.parse(read(file))
  expect(repository).toEqual({ type: 'git', url: WHERE, directory: file.replace('/package.json', '') })
  expect(engines).toEqual({ node: '>=22' })
  expect(files).toContain('README.md')
})

it.each(MANIFESTS)('%s: its README names every subpath', (file) => {
  const { name, exports } = JSON.parse(read(file))
  const text = read(file.replace('package.json', 'README.md'))
  const paths = Object.keys(exports).filter((path) => path !== './package.json')
  const named = (path: string) => text.includes(path === '.' ? name : `/${path.split('/').at(-1)}`)
  expect(paths.filter((path) => !named(path))).toEqual([])
})

it('what /testing needs is said where it is shown', () => {
  const [, needs] =
    /^\| `@org\/pg-tenant\/testing` \| (.*?) \|/m.exec(read('packages/pg-tenant/README.md')) ?? []
  expect(needs).toContain('`@org/pg-testing`')
  expect(read('README.md')).toContain('npm install --save-dev @org/pg-testing')
})

it('CONTRIBUTING.md says of files that are there where things belong', () => {
  const [, table = ''] = /\n## Where things belong\n([\s\S]*?)\n## /.exec(read('CONTRIBUTING.md')) ?? []
  const rows = table.split('\n').flatMap((line) => line.split(' | ').slice(1))
  const paths = rows.flatMap((row) =>
    [...row.matchAll(/`([\w.-]*[/.][\w./-]*)`/g)].map(([, path = '']) => path),
  )
  expect(paths.length).toBeGreaterThan(50)
  const places = ['packages/pg-tenant/src', 'packages/pg-tenant', '.']
  expect(paths.filter((path) => !places.some((place) => existsSync(join(ROOT, place, path))))).toEqual([])
})
