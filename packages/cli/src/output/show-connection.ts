import type { TenantConnection } from '@org/pg-tenant'
import { CliError } from '../cli-error.ts'
import { connectionWithSecrets, type EnvFile, envLines } from './env-file.ts'
import type { Output } from './output.ts'

/**
 * Hands a tenant's or app's connection out, this once: into the file, or to stdout.
 *
 * @param otherwise what to do when the file cannot be written
 * @returns what the JSON document says of it
 */
export async function showConnection(
  connection: TenantConnection,
  file: EnvFile | undefined,
  output: Output,
  otherwise = 'Make room and run pg-tenant env <key> --rotate --write-env <file>.',
): Promise<object> {
  if (file) {
    await file.write(connection).catch(() => {
      throw new CliError(
        'REFUSED',
        `The password was set but could not be written to the file, and is known to nobody now. ${otherwise}`,
      )
    })
    output.say(`Its connection is in ${file.path}.`)
    return { envFile: file.path }
  }
  output.note('Its own connection, shown this once:')
  output.data(envLines(connection).trimEnd())
  return { connection: connectionWithSecrets(connection) }
}
