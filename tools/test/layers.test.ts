import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { circlesOf, layerOf, type SourceFile, sourcesOf } from '../layers/imports.ts'
import { LAYERS, type PackageLayers, printed } from '../layers/layers.ts'

const ROOT = join(import.meta.dirname, '../..')
const FREE = ['index', 'admin', 'main']

/** What breaks the order, in words. */
function violations(files: readonly SourceFile[], { packages, folders }: PackageLayers): string[] {
  const place = (path: string) => folders.indexOf(layerOf(path))
  const upwards = files.flatMap(({ path, imports }) =>
    FREE.includes(path)
      ? []
      : imports.filter((other) => place(other) > place(path)).map((other) => `${path} → ${other}`),
  )
  const unknown = files
    .filter(({ path }) => place(path) < 0 && !FREE.includes(path))
    .map(({ path }) => `${path}: its folder is not in the list`)
  const ofFree = files.flatMap(({ path, imports }) =>
    imports
      .filter((other) => FREE.includes(other) && !FREE.includes(path))
      .map((other) => `${path} → ${other}`),
  )
  const foreign = files.flatMap(({ path, packages: used }) =>
    used.filter((other) => !packages.includes(other)).map((other) => `${path} → @org/${other}`),
  )
  return [...upwards, ...unknown, ...ofFree, ...foreign]
}

it('lists every package', () => {
  expect(Object.keys(LAYERS).sort()).toEqual(readdirSync(join(ROOT, 'packages')).sort())
})

describe.each(Object.entries(LAYERS))('the sources of %s', (name, layers) => {
  const files = sourcesOf(name)

  it('keep to the order of folders', () => expect(violations(files, layers)).toEqual([]))
  it('have no file that imports itself through others', () => expect(circlesOf(files)).toEqual([]))
})

it('lets nothing of the library but its testing use @org/pg-testing', () => {
  const users = sourcesOf('pg-tenant').filter(({ packages }) => packages.includes('pg-testing'))
  expect(users.map(({ path }) => layerOf(path)).filter((layer) => layer !== 'testing')).toEqual([])
})

it('finds what breaks it', () => {
  const file = (path: string, imports: string[] = [], packages: string[] = []) => ({
    path,
    imports,
    packages,
  })
  const layers = { packages: ['core'], folders: ['low', 'high'] }
  const found = violations(
    [
      file('low/a', ['high/b']),
      file('high/b', ['low/a', 'index'], ['crypto']),
      file('new/c'),
      file('index', ['high/b']),
    ],
    layers,
  )
  expect(found).toEqual([
    'low/a → high/b',
    'new/c: its folder is not in the list',
    'high/b → index',
    'high/b → @org/crypto',
  ])
  expect(circlesOf([file('a', ['b']), file('b', ['c']), file('c', ['a']), file('d', ['a'])])).toEqual([
    ['a', 'b', 'c'],
  ])
})

it('is what ARCHITECTURE.md says', () => {
  const text = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8')
  expect(text.split('<!-- layers:begin -->\n')[1]?.split('<!-- layers:end -->')[0]).toBe(printed())
})
