import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const PACKAGES = globSync('packages/*/package.json', { cwd: ROOT }).map(
  (path) => (JSON.parse(read(path)) as { name: string }).name,
)
const CHANGESETS = globSync('.changeset/*.md', { cwd: ROOT }).filter((path) => !path.endsWith('README.md'))

it('names packages of this repository in every changeset: `changeset version` ends at one that is not', () => {
  expect(CHANGESETS.length).toBeGreaterThan(0)
  const unknown = CHANGESETS.flatMap((path) => {
    const [, head = ''] = read(path).split(/^---$/m)
    return [...head.matchAll(/^['"]?(@?[\w/-]+)['"]?:/gm)]
      .map(([, name]) => String(name))
      .filter((name) => !PACKAGES.includes(name))
      .map((name) => `${path}: ${name}`)
  })
  expect(unknown).toEqual([])
})
