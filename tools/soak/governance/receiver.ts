import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sign } from '@org/governance/webhooks'
import type { Findings } from '../findings.ts'
import type { Random } from '../random.ts'

/** What tenants' webhooks are told; it refuses some, hangs up on some and leaves some without an answer. */
export class Receiver {
  /** Operations that were told of, by tenant: how often. */
  readonly told = new Map<string, Map<number, number>>()
  readonly secrets = new Map<string, string>()
  readonly #server: Server
  readonly #findings: Findings
  readonly #random: Random

  private constructor(findings: Findings, random: Random) {
    this.#findings = findings
    this.#random = random
    this.#server = createServer((req, res) => {
      const parts: Buffer[] = []
      req.on('data', (part: Buffer) => parts.push(part))
      req.on('error', () => {})
      req.on('end', () => {
        const draw = this.#random.next()
        if (draw < 0.03) return void res.destroy()
        if (draw < 0.06) return void res.writeHead(503).end()
        this.#take(decodeURIComponent((req.url ?? '').slice(1)), req.headers, Buffer.concat(parts))
        // Taken, and nobody is told: it comes again.
        if (draw < 0.08) return void res.destroy()
        res.writeHead(204).end()
      })
    })
  }

  static async start(findings: Findings, random: Random): Promise<Receiver> {
    const receiver = new Receiver(findings, random)
    receiver.#server.listen(0, '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  #take(tenant: string, headers: NodeJS.Dict<string | string[]>, body: Buffer): void {
    const { data } = JSON.parse(body.toString()) as { data: { op: number; tenant: string } }
    if (data.tenant !== tenant)
      this.#findings.add('leak', `op ${data.op} of ${data.tenant} was told to the webhook of ${tenant}`)
    const id = String(headers['webhook-id'])
    const signed = sign([this.secrets.get(tenant) ?? ''], id, Number(headers['webhook-timestamp']), body)
    if (signed['webhook-signature'] !== headers['webhook-signature'])
      this.#findings.add('leak', `op ${data.op}: the webhook of ${tenant} got another signature`)
    const own = this.told.get(tenant) ?? new Map<number, number>()
    own.set(data.op, (own.get(data.op) ?? 0) + 1)
    this.told.set(tenant, own)
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
