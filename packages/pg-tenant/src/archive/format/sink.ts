import { randomBytes } from 'node:crypto'
import { type FileHandle, link, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { invalidOption, TenancyError } from '@org/core'
import { unlessAborted } from '../abort.ts'

/** Where a backup goes: a file that must not exist yet, or a stream of the caller's. */
export type BackupTarget = string | Writable

/** Takes bytes one piece after the other; there is nothing under the file's name before `finish` has resolved. */
export interface Sink {
  write(bytes: Buffer): Promise<void>
  finish(): Promise<void>
  /** Gives up: removes what was written, or destroys the stream. Never throws. */
  abandon(): Promise<void>
}

/**
 * @param signal gives up waiting for a stream that takes nothing any more
 * @throws TenancyError INVALID_OPTION, CONFLICT when the file exists, SERVICE_UNAVAILABLE when it cannot be made
 */
export async function openSink(to: BackupTarget, signal?: AbortSignal): Promise<Sink> {
  if (typeof to === 'string' && to !== '') return openFile(to)
  if (typeof to === 'object' && to !== null && typeof to.write === 'function') return streamSink(to, signal)
  throw invalidOption('to', 'the path of a file to be made, or a Writable')
}

/**
 * A file is written beside its place, flushed to disk and then linked to its name, which fails when somebody else has
 * made that file meanwhile. A process killed on the way leaves `<name>.<random>.partial`, never `<name>`.
 */
async function openFile(path: string): Promise<Sink> {
  const partial = `${path}.${randomBytes(6).toString('hex')}.partial`
  await refuseExisting(path)
  // Only for its owner: it holds all of a tenant's data.
  const file = await open(partial, 'wx', 0o600).catch((error: unknown) => {
    throw writeFailed(error)
  })
  return {
    write: async (bytes) => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, done).catch((error: unknown) => {
          throw writeFailed(error)
        })
        done += bytesWritten
      }
    },
    finish: async () => {
      try {
        await file.sync()
        await file.close()
        await link(partial, path)
        await rm(partial)
        await syncFolder(dirname(path))
      } catch (error) {
        throw (error as { code?: unknown }).code === 'EEXIST' ? exists() : writeFailed(error)
      }
    },
    abandon: async () => {
      await file.close().catch(() => {})
      await rm(partial, { force: true }).catch(() => {})
    },
  }
}

/** @throws TenancyError CONFLICT */
export async function refuseExisting(path: string): Promise<void> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch {
    return
  }
  await file.close()
  throw exists()
}

/** The new name itself must survive a power cut. Not every system lets a folder be opened. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined)
  await folder?.sync().catch(() => {})
  await folder?.close()
}

function streamSink(stream: Writable, signal: AbortSignal | undefined): Sink {
  // The callback of write() tells of the error; without a listener the event would end the process.
  stream.on('error', () => {})
  // A Transform that is destroyed never calls back for the piece it holds.
  let giveUp = (_: unknown) => {}
  stream.once('close', () => giveUp({ code: 'ERR_STREAM_PREMATURE_CLOSE' }))
  return {
    write: (bytes) =>
      unlessAborted(
        new Promise((resolve, reject) => {
          giveUp = (error) => reject(writeFailed(error))
          stream.write(bytes, (error) => (error ? giveUp(error) : resolve()))
        }),
        signal,
      ),
    finish: async () => {
      stream.end()
      const over = finished(stream, { readable: false }).catch((error: unknown) => {
        throw writeFailed(error)
      })
      await unlessAborted(over, signal)
    },
    abandon: async () => {
      stream.destroy()
    },
  }
}

export function exists(): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'There is a file of that name already. Nothing was written; choose another name or move that file away.',
  )
}

/** What the disk or the stream said, by its code (`ENOSPC`): a message could hold a path. */
export function writeFailed(error: unknown): TenancyError {
  const { code } = error as { code?: unknown }
  const reason = typeof code === 'string' && /^[A-Z0-9_]{2,40}$/.test(code) ? code : null
  return new TenancyError(
    'SERVICE_UNAVAILABLE',
    `It could not be written${reason ? ` (${reason})` : ''}; nothing of it was kept. Make room or choose another place, then run it again.`,
    { details: { reason } },
  )
}
