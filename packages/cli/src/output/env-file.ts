import { type FileHandle, open, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { TenantConnection } from '@org/pg-tenant'
import { CliError } from '../cli-error.ts'

/** A tenant's own connection as lines of a `.env` file. Holds the password. */
export function envLines(connection: TenantConnection): string {
  const { url, host, port, database, user, password } = connection
  const variables = {
    DATABASE_URL: url,
    PGHOST: host,
    PGPORT: String(port),
    PGDATABASE: database,
    PGUSER: user,
    PGPASSWORD: password,
  }
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${quoted(value)}\n`)
    .join('')
}

/** In single quotes nothing has a meaning, neither for a shell nor for dotenv. */
function quoted(value: string): string {
  return /^[\w.:/@%+-]*$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`
}

/** The connection as JSON shows it: its secrets are no part of what `JSON.stringify` sees by itself. */
export function connectionWithSecrets(connection: TenantConnection): object {
  const { host, port, database, user, password, url } = connection
  return { host, port, database, user, password, url }
}

/** A file made ahead of the secret that is to be written into it. */
export interface EnvFile {
  readonly path: string
  write(connection: TenantConnection): Promise<void>
  /** Removes it again if nothing was written. */
  close(): Promise<void>
}

/**
 * Makes the file, for its owner only, before a password is: should it not be possible, nothing is lost. Never overwrites.
 *
 * @throws CliError REFUSED
 */
export async function reserveEnvFile(cwd: string, path: string): Promise<EnvFile> {
  const file = resolve(cwd, path)
  const handle = await open(file, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'EEXIST' ? 'it is there already, and is not overwritten' : error.code
    throw new CliError('REFUSED', `The file for --write-env cannot be made: ${why}. Nothing was done.`)
  })
  return new Reserved(file, handle)
}

class Reserved implements EnvFile {
  readonly path: string
  readonly #handle: FileHandle
  #written = false

  constructor(path: string, handle: FileHandle) {
    this.path = path
    this.#handle = handle
  }

  async write(connection: TenantConnection): Promise<void> {
    await this.#handle.writeFile(envLines(connection))
    await this.#handle.sync()
    this.#written = true
  }

  async close(): Promise<void> {
    await this.#handle.close()
    if (!this.#written) await rm(this.path, { force: true })
  }
}
