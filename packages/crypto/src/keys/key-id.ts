import { createHmac, type KeyObject } from 'node:crypto'

/**
 * The public name of a key: the first 8 bytes of HMAC-SHA-256 under it, in hexadecimal. It can be logged and stored;
 * the key cannot be found from it. FORMAT.md, "Key ids".
 *
 * @param owner the tenant whose data key it is: the same key under another tenant's name has another id
 */
export function keyIdOf(key: KeyObject, owner?: string): string {
  const mac = createHmac('sha256', key).update('@org/crypto kid')
  if (owner !== undefined) mac.update('\0').update(owner, 'utf8')
  return mac.digest('hex').slice(0, 16)
}
