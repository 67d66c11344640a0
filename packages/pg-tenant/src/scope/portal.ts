/** What names of the library's own portals and savepoints begin with. */
export const PORTAL_PREFIX = 'pgt_'

const RUN = Math.random().toString(36).slice(2, 10)
let made = 0

/** A portal name nobody else uses. */
export function nextPortal(kind: 'gate' | 'stream'): string {
  made++
  return `${PORTAL_PREFIX}${kind}_${RUN}_${made.toString(36)}`
}
