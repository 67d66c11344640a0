import { ERROR_CODES, type ErrorCode } from '@org/core'
import { z } from 'zod'

/** Shapes that several resources share. */

export const id = z.uuid()
export const timestamp = z.iso.datetime({ offset: true })
export const status = z.enum(['active', 'suspended'])
/** A text for people, on one line. */
export const name = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .regex(/^\P{C}*$/u)
export const email = z.email().max(320)
export const reason = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .regex(/^\P{C}*$/u)

/** A tenant's key as the hub gives them out; `parseTenantKey` of the library has the last word. */
export const tenantKey = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,50}$/)
export const toolKey = z.string().regex(/^[a-z][a-z0-9_]{0,49}$/)
export const packageKey = z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/)
export const actionKey = z.string().regex(/^[a-z][a-z0-9_]{0,49}(\.[a-z][a-z0-9_]{0,49}){2}$/)
export const planKey = z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/)
/** An action, or `tool.*` for all of a tool's. */
export const actionPattern = z.string().regex(/^[a-z][a-z0-9_]{0,49}(\.\*|(\.[a-z][a-z0-9_]{0,49}){2})$/)

/** Shown once, to whoever made the user: they pass it on, and the user chooses a password with it. */
export const invitation = z.object({ token: z.string(), expiresAt: timestamp })

export const errorBody = z
  .object({
    error: z.object({
      code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
      message: z.string(),
      details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).optional(),
      requestId: z.string().optional(),
    }),
  })
  .meta({ id: 'Error' })
