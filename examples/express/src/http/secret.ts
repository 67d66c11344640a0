import { createHash, timingSafeEqual } from 'node:crypto'

/**
 * Whether `given` is the secret, in the same time whatever was given: digests have one length. A secret that is not
 * configured is nobody's.
 */
export function isSecret(given: unknown, secret: string | undefined): boolean {
  const [a, b] = [digest(typeof given === 'string' ? given : ''), digest(secret ?? '')]
  return timingSafeEqual(a, b) && secret !== undefined && secret !== ''
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
