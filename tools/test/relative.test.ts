import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const TESTS = globSync('{packages,examples}/*/test/**/*.ts', {
  cwd: ROOT,
  exclude: (name) => /node_modules/.test(name),
})

/** The package or example that a file is of. */
const homeOf = (path: string): string => path.split('/').slice(0, 2).join('/')

it('lets no test reach another package by a relative path', () => {
  expect(TESTS.length).toBeGreaterThan(100)
  const strangers = TESTS.flatMap((path) =>
    ts
      .preProcessFile(readFileSync(join(ROOT, path), 'utf8'), true, true)
      .importedFiles.map(({ fileName }) => fileName)
      .filter((name) => name.startsWith('.'))
      .map((name) => relative(ROOT, join(ROOT, dirname(path), name)))
      .filter((target) => homeOf(target) !== homeOf(path))
      .map((target) => `${path} → ${target}`),
  )
  expect(strangers).toEqual([])
})
