import { connectPostgres } from '../postgres/attach.ts'
import { startPostgres } from '../postgres/start.ts'
import type { PostgresServer } from '../postgres/types.ts'

let started: Promise<PostgresServer> | undefined

/** The server at a URL, else one that this process starts at the first call and that ends with it. */
export async function serverOf(url: string | undefined): Promise<PostgresServer> {
  if (url !== undefined) return await connectPostgres(url)
  started ??= startPostgres()
  try {
    return await started
  } catch (error) {
    started = undefined // The next call tries again.
    throw error
  }
}
