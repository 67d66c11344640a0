// @module-tag slow: e2e.test.ts signs in, makes groups and keys and suspends; logins, keys, tenants and records have files of their own in the default set.
import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { PLATFORM } from '../src/hub/platform.ts'
import { useWorld } from './support/world.ts'

// What an operator does inside a tenant is committed apart from the transaction that records it. Where that one fails
// afterwards, the change stands: it must not stand without an entry.

const world = useWorld()
const delivery = randomUUID()

/** The transaction that records fails as late as it can; what was announced is there already. */
const FAIL = `create function public.no_more() returns trigger language plpgsql as $$
    begin
      if new.tenant = '${PLATFORM}' and (new.metadata->>'begun') is null then raise 'no more'; end if;
      return new;
    end $$;
  create trigger no_more before insert on governance.audit_log for each row execute function public.no_more()`

const STATUS = `select status = $2 as is from tenancy.tenant where key = $1`

interface Case {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  /** Whose log tells of it. */
  readonly tenant: string
  /** That it was done all the same. */
  readonly done: readonly [text: string, ...values: string[]]
}

const admin = { email: 'ana@example.com', name: 'Ana' }
const CASES: readonly Case[] = [
  {
    method: 'POST',
    path: '/v1/tenants',
    body: { slug: 'newer', name: 'Newer', packageKey: 'essentials', adminUser: admin },
    tenant: 'newer',
    done: [STATUS, 'newer', 'active'],
  },
  {
    method: 'POST',
    path: '/v1/tenants/acme/clone',
    body: { slug: 'copy', name: 'Copy', adminUser: admin },
    tenant: 'copy',
    done: [STATUS, 'copy', 'active'],
  },
  {
    method: 'POST',
    path: '/v1/tenants/acme/seeds',
    body: { adminUser: { email: 'second@example.com', name: 'Second' } },
    tenant: 'acme',
    done: [`select count(*) = 2 as is from c_acme."user"`],
  },
  {
    method: 'POST',
    path: `/v1/tenants/acme/deliveries/${delivery}/redeliver`,
    tenant: 'acme',
    done: [`select status = 'pending' as is from c_acme.webhook_delivery`],
  },
  {
    method: 'DELETE',
    path: `/v1/tenants/acme/impersonation/${randomUUID()}`,
    tenant: 'acme',
    done: ['select count(*) = 1 as is from c_acme.denied_jti'],
  },
  {
    method: 'PATCH',
    path: '/v1/tenants/acme',
    body: { status: 'suspended' },
    tenant: 'acme',
    done: [STATUS, 'acme', 'suspended'],
  },
  {
    method: 'DELETE',
    path: '/v1/tenants/globex/schema?confirm=globex',
    tenant: 'globex',
    done: [STATUS, 'globex', 'deleted'],
  },
  {
    method: 'POST',
    path: '/v1/tenants/globex/schema',
    tenant: 'globex',
    done: [STATUS, 'globex', 'active'],
  },
  {
    method: 'DELETE',
    path: '/v1/tenants/initech?confirm=initech&backup=skip',
    tenant: 'initech',
    done: [STATUS, 'initech', 'deleted'],
  },
]

describe('an operator’s change beyond the transaction that records it', () => {
  beforeAll(async () => {
    for (const slug of ['acme', 'globex', 'initech']) await world.onboard(slug)
    const { root } = world
    const [endpoint, message] = [randomUUID(), randomUUID()]
    await root.query(`insert into c_acme.webhook_endpoint (id, url, events, secret)
        values ('${endpoint}', 'https://example.com', '{"*"}', 'enc:v1:');
      insert into c_acme.webhook_message (id, type, payload) values ('${message}', 'user.created', '{}');
      insert into c_acme.webhook_delivery (id, endpoint_id, message_id, status)
        values ('${delivery}', '${endpoint}', '${message}', 'failed')`)
    await root.query(FAIL)
  })

  it.each(CASES)(
    '$method $path stands with an entry on both sides',
    async ({ method, path, body, tenant, done }) => {
      const answer = await world.send(method, path, { token: world.operator, body })
      expect(answer.status, answer.text).toBe(500)
      const [text, ...values] = done
      expect((await world.root.query(text, values)).rows, 'what it did is there').toEqual([{ is: true }])
      const { rows } = await world.root.query(
        `select tenant, actor_type as type from governance.audit_log
        where request_id = $1 and metadata->>'begun' = 'true' order by tenant <> $2`,
        [answer.headers.get('x-request-id'), PLATFORM],
      )
      expect(rows).toEqual([
        { tenant: PLATFORM, type: 'user' },
        { tenant, type: 'operator' },
      ])
    },
  )
})
