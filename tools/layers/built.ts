import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const ROOT = join(import.meta.dirname, '../..')

/** What importing a package's root loads once it is built. */
export interface Loaded {
  /** Files of `dist`. */
  readonly files: number
  /** Source files with code in them, relative to the package. */
  readonly modules: readonly string[]
}

/** Builds a package as tsup does, in memory, and follows the imports of its root that are not made later. */
export async function loadedWhenBuilt(name: string): Promise<Loaded> {
  const home = join(ROOT, 'packages', name)
  const { exports } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
  const doors = Object.values<{ '@org/source'?: string }>(exports).flatMap(
    (door) => door['@org/source'] ?? [],
  )
  const { metafile } = await build({
    absWorkingDir: home,
    entryPoints: doors,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    packages: 'external',
    metafile: true,
    write: false,
    outdir: 'dist',
  })
  const { outputs } = metafile
  const seen = new Set<string>()
  const open = ['dist/index.js']
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (seen.has(at)) continue
    seen.add(at)
    for (const { path, kind, external } of outputs[at]?.imports ?? [])
      if (!external && kind === 'import-statement') open.push(path)
  }
  const inputs = [...seen].flatMap((path) => Object.entries(outputs[path]?.inputs ?? {}))
  return {
    files: seen.size,
    modules: inputs
      .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
      .map(([path]) => path)
      .sort(),
  }
}
