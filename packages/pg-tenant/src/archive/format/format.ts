import { TenancyError } from '@org/core'

// The container, byte by byte: see BACKUP.md. Every frame ends with the SHA-256 of all bytes of the archive before
// that digest, so that no byte before it can have changed, moved or gone missing unnoticed.

/** Begins as PNG does: a transfer that changes line ends, or strips the eighth bit, is noticed at once. */
export const MAGIC: Buffer = Buffer.from('\x89PGT\r\n\x1a\n', 'latin1')
export const VERSION = 1
export const DIGEST_BYTES = 32
/** Type and length of a frame. */
export const FRAME_HEAD_BYTES = 5
/** Raw bytes of COPY data in one block. */
export const BLOCK_BYTES = 1 << 20
/** What a reader takes at most for one frame: a damaged length must not fill the memory. */
export const MAX_PAYLOAD_BYTES = 64 << 20

/** What a frame holds. */
export const FRAME = { manifest: 0x4d, data: 0x44, summary: 0x53 } as const // M, D, S

/** Why an archive was refused. */
export type Unreadable = 'not_an_archive' | 'version' | 'compression' | 'truncated' | 'damaged' | 'trailing'

const WHY: Readonly<Record<Unreadable, string>> = {
  not_an_archive: 'This is not an archive of a tenant.',
  version:
    'The archive was made by a newer release, in a format this one does not know. Upgrade this program.',
  compression: 'The archive is compressed in a way this Node.js cannot read. Use Node.js 22.15 or later.',
  truncated: 'The archive ends too early: it was not copied whole. Nothing was changed; get the whole file.',
  damaged:
    'The archive was damaged or edited (a digest does not match). Nothing was changed; use another copy.',
  trailing: 'Something follows the end of the archive. Nothing was changed; use another copy.',
}

/** The error for an archive that cannot be trusted; `details.reason` says why. */
export function unreadable(reason: Unreadable): TenancyError {
  return new TenancyError('VALIDATION_ERROR', WHY[reason], { details: { reason } })
}
