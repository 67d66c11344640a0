import { TenancyError } from '@org/core'

const APP = /^[a-z0-9_]{3,32}$/

/** Before the app's name in the names of its database and role: no app can be called `postgres` or `template1`. */
export const APP_PREFIX = 'app_'

/** @throws TenancyError VALIDATION_ERROR */
export function parseApp(app: unknown): string {
  if (typeof app === 'string' && APP.test(app)) return app
  throw new TenancyError('VALIDATION_ERROR', 'app is 3 to 32 of a-z, 0-9 and "_".', {
    details: { option: 'app' },
  })
}

/** The database and the role of an app have one name. */
export const nameOfApp = (app: string): string => APP_PREFIX + app
