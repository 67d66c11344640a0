import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { access, link, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CliError } from '../cli-error.ts'
import type { Io } from '../io.ts'
import { endlessly } from './endlessly.ts'

/**
 * Writes pieces of text to a file that is there whole or not at all, for its owner only, and never overwrites; `-` is stdout.
 *
 * @returns the file's path, or `-`
 * @throws CliError REFUSED; what `pieces` throws
 */
export async function writeWhole(
  { cwd, stdout }: Pick<Io, 'cwd' | 'stdout'>,
  to: string,
  pieces: AsyncIterable<string>,
): Promise<string> {
  if (to === '-') {
    await pipeline(Readable.from(pieces), endlessly(stdout))
    return to
  }
  const file = resolve(cwd, to)
  const unfinished = join(dirname(file), `.${basename(file)}.${randomUUID()}.part`)
  if (await isThere(file)) throw refused('it is there already, and is not overwritten')
  try {
    await pipeline(
      Readable.from(pieces),
      createWriteStream(unfinished, { flags: 'wx', mode: 0o600, flush: true }),
    )
    await link(unfinished, file)
  } catch (error) {
    const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException
    throw syscall === undefined ? error : refused(String(code))
  } finally {
    await rm(unfinished, { force: true })
  }
  return file
}

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  )

const refused = (why: string) => new CliError('REFUSED', `The file cannot be written: ${why}.`)
