import { Buffer } from 'node:buffer'
import { auditLog } from '@org/governance/audit'
import { outbox } from '@org/governance/outbox'
import { webhooks } from '@org/governance/webhooks'

/**
 * `soak.effect`: its handler writes a row. `soak.told`: told to the tenant's webhook. Both carry whose they are. Keys and secrets of a
 * soak are nobody's.
 */
export const events = (isolation: 'role' | 'schema') => outbox({ isolation })

export const audit = () => auditLog({ keys: { soak: Buffer.alloc(32, 7) } })

export const sealing = { seal: (text: string) => text, open: (text: string) => text }

export const hooksOf = (isolation: 'role' | 'schema', port: number) =>
  webhooks({
    outbox: events(isolation),
    sealing,
    timeout: 2_000,
    allow: { http: true, addresses: ['127.0.0.1'], ports: [port] },
    // Faults last for longer than a soak does.
    disableAfter: 86_400_000,
  })
