import type { SecretPlace } from '../../src/envelope/envelopes.ts'

/** Where most of these tests keep their secret. */
export const PLACE: SecretPlace = { tenant: 'acme', table: 'app_settings', name: 'smtp.password' }

/** The code and details of what `fn` throws; fails when it throws nothing. */
export function thrown(fn: () => unknown): { code: string; details: object; message: string } {
  try {
    fn()
  } catch (error) {
    const { code, details, message } = error as { code: string; details: object; message: string }
    return { code, details, message }
  }
  throw new Error('expected an error')
}
