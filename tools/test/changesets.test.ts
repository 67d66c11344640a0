import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const PACKAGES = globSync('packages/*/package.json', { cwd: ROOT })
  .map((path) => (JSON.parse(read(path)) as { name: string }).name)
  .sort()

describe('what `changeset version` is given, which ends at a name it cannot release', () => {
  it('releases all packages together, and nothing without a version', () => {
    const { fixed } = JSON.parse(read('.changeset/config.json')) as { fixed: string[][] }
    expect(fixed).toEqual([PACKAGES])
  })

  it('has changesets of these packages alone', () => {
    const strangers = globSync('.changeset/*.md', { cwd: ROOT }).flatMap((path) => {
      const [, head = ''] = read(path).split(/^---$/m)
      return [...head.matchAll(/^['"]?(@[\w/-]+)['"]?:/gm)]
        .map(([, name]) => String(name))
        .filter((name) => !PACKAGES.includes(name))
        .map((name) => `${path}: ${name}`)
    })
    expect(strangers).toEqual([])
  })
})
