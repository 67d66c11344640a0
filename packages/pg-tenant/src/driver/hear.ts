import type { ServerError } from '../errors/server-error.ts'
import type { WireConnection } from './types.ts'

/** How many notices are kept: what a tenant's code raises must not pile up. */
const KEPT = 2

/** A NoticeResponse has the fields of an error (manual 54.8). */
type Notice = Omit<ServerError, 'name' | 'stack'>

/** The last notices and warnings of a connection, oldest first. */
export interface Hearing {
  readonly notices: readonly ServerError[]
  stop(): void
}

/** Keeps the last notices that the server sends on a connection. */
export function hearNotices(connection: Pick<WireConnection, 'on' | 'removeListener'>): Hearing {
  const notices: ServerError[] = []
  const onNotice = (notice: Notice) => {
    notices.push(Object.assign(new Error(notice.message), notice))
    if (notices.length > KEPT) notices.shift()
  }
  connection.on('notice', onNotice)
  return { notices, stop: () => connection.removeListener('notice', onNotice) }
}
