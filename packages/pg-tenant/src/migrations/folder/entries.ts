import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { TenancyError } from '@org/core'

/** What is in a folder, links followed: Kubernetes mounts the files of a ConfigMap as links. */
export interface Entry {
  readonly name: string
  readonly isFile: boolean
  readonly isDirectory: boolean
}

/**
 * The entries of a folder; none where there is no such folder.
 *
 * @throws TenancyError INVALID_OPTION for a link that leads nowhere, which would be left out without anybody noticing
 */
export async function entriesOf(folder: string): Promise<Entry[]> {
  const found = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return await Promise.all(
    found.map(async (entry): Promise<Entry> => {
      const { name } = entry
      const is = entry.isSymbolicLink()
        ? await stat(join(folder, name)).catch(() => {
            throw refused(`${name} is a link to something that is not there.`)
          })
        : entry
      return { name, isFile: is.isFile(), isDirectory: is.isDirectory() }
    }),
  )
}

/** @internal */
export function refused(sentence: string): TenancyError {
  return new TenancyError('INVALID_OPTION', sentence, { details: { option: 'folder' } })
}
