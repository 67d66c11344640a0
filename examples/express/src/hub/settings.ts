import { defineSettings, type KeyRing, secret } from '@org/crypto'
import { z } from 'zod'

const line = z.string().min(1).max(500)

/** What a tenant may set; `smtp.password` is sealed for its tenant (`enc:v1`) and shown masked. */
export function hubSettings(secrets: KeyRing) {
  return defineSettings(
    {
      'mail.from': z.email(),
      'smtp.host': line,
      'smtp.port': z.number().int().min(1).max(65_535).default(587),
      'smtp.user': line,
      'smtp.password': secret(line),
    },
    { secrets },
  )
}

export type HubSettings = ReturnType<typeof hubSettings>
