import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'

const ROOT = join(import.meta.dirname, '../..')

/** A source file and what it imports: our own files by path, packages by name. */
export interface SourceFile {
  /** relative to its package's `src`, without the ending */
  readonly path: string
  readonly imports: readonly string[]
  readonly packages: readonly string[]
}

/** Every file of a package's sources. Types count, and imports made at run time. */
export function sourcesOf(name: string): SourceFile[] {
  const src = join(ROOT, 'packages', name, 'src')
  return globSync('**/*.ts', { cwd: src }).map((path) => {
    const found = ts.preProcessFile(readFileSync(join(src, path), 'utf8'), true, true).importedFiles
    const named = found.map(({ fileName }) => fileName)
    const own = named.filter((text) => text.startsWith('.'))
    return {
      path: bare(path),
      imports: own.map((text) => bare(relative(src, join(src, dirname(path), text)))),
      packages: named.filter((text) => text.startsWith('@org/')).map((text) => text.split('/')[1] ?? ''),
    }
  })
}

const bare = (path: string): string => path.replace(/\.ts$/, '')

/** The folder (or the file beside the folders) that a file belongs to. */
export const layerOf = (path: string): string => path.split('/')[0] ?? ''

/** Files that import each other, directly or through others: each circle once. */
export function circlesOf(files: readonly SourceFile[]): string[][] {
  const imports = new Map(files.map((file) => [file.path, file.imports]))
  const reached = new Map(files.map(({ path }) => [path, reach(path, imports)]))
  const inCircle = files.map(({ path }) => path).filter((path) => reached.get(path)?.has(path))
  const circles = inCircle.map((path) =>
    inCircle.filter((other) => reached.get(path)?.has(other) && reached.get(other)?.has(path)),
  )
  return [...new Map(circles.map((circle) => [circle.join(), circle])).values()]
}

function reach(from: string, imports: ReadonlyMap<string, readonly string[]>): Set<string> {
  const seen = new Set<string>()
  const open = [...(imports.get(from) ?? [])]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen.has(next)) continue
    seen.add(next)
    open.push(...(imports.get(next) ?? []))
  }
  return seen
}
