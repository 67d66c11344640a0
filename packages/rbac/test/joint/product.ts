import { generateKeyPairSync, randomBytes } from 'node:crypto'
import {
  fromApiKey,
  fromClaim,
  fromHeader,
  type ResolveOptions,
  requireActive,
  type TenantKey,
} from '@org/core'
import {
  API_KEYS_MIGRATION,
  authenticateApiKey,
  createApiKeyDirectory,
  createApiKeys,
  type IssuedApiKey,
  type NewApiKey,
} from '@org/crypto/api-keys'
import {
  createDenylist,
  createSigningKeys,
  createTokenIssuer,
  createTokenVerifier,
  DENIED_JTI_MIGRATION,
} from '@org/crypto/tokens'
import { readTogether, type Tenancy } from '@org/pg-tenant'
import { beforeAll } from 'vitest'
import {
  createRbacStore,
  installRbac,
  RBAC_API_KEY_MIGRATION,
  RBAC_MIGRATION,
} from '../../src/store/index.ts'
import { acme, globex } from '../store/rbac-world.ts'
import { catalog } from '../support/product.ts'
import { NOTES, useWorld, type World } from '../support/world.ts'

const MIGRATIONS = [NOTES, RBAC_MIGRATION, API_KEYS_MIGRATION, RBAC_API_KEY_MIGRATION, DENIED_JTI_MIGRATION]

/** A product made of all four packages, as an application would wire them. */
export class Product {
  readonly #now = { ms: Date.now() }
  readonly world: World
  readonly tenancy: Tenancy
  readonly #apiKeys = createApiKeys({ peppers: [{ id: 'p1', key: randomBytes(32).toString('hex') }] })
  readonly #directory = createApiKeyDirectory({ schema: 'control' })
  readonly #issuer
  readonly #verifier
  readonly #denylist
  readonly store

  constructor(world: World) {
    this.world = world
    const pool = world.pool({ max: 8 })
    this.tenancy = world.tenancy({ pool, migrations: MIGRATIONS })
    const reads = readTogether(this.tenancy)
    this.store = createRbacStore({ catalog, control: pool, tenants: reads, apiKeys: true })
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const keys = createSigningKeys({ keys: [{ key, signsFrom: new Date('2020-01-01') }] })
    const api = { issuer: 'https://auth.example', audience: 'https://api.example', keys }
    this.#issuer = createTokenIssuer({ ...api, clock: () => this.#now.ms })
    this.#denylist = createDenylist({
      tenants: {
        query: async (tenant, text, values) => {
          // A token may outlive its tenant: that is no outage.
          await requireActive(this.tenancy.lookup, tenant)
          return await reads.query(tenant, text, values)
        },
      },
    })
    this.#verifier = createTokenVerifier({
      ...api,
      denylist: this.#denylist,
      onGood: ({ tenantId: tenant, type, sub: id }) => {
        this.store.evaluatorFor({ tenant, actor: { type, id } }).catch(() => {})
      },
    })
  }

  async setUp(): Promise<void> {
    const { admin, appRole } = this.world
    await installRbac(admin, { managers: [appRole] })
    await admin.query(`create schema control; grant usage on schema control to ${appRole}`)
    await admin.query(`set search_path to control; ${this.#directory.migration.sql}; reset search_path`)
    await admin.query(`grant select, insert, update, delete on all tables in schema control to ${appRole}`)
    await this.store.syncCatalog()
    for (const tenant of [acme, globex]) {
      await this.tenancy.provision(tenant)
      await this.tenancy.withTenant(tenant, (db) => this.store.seed(db, { package: 'basic' }))
    }
  }

  /** How the application finds out whose a request is. */
  get resolve(): ResolveOptions {
    const { withTenant } = this.tenancy
    const control = this.world.root
    const parts = { apiKeys: this.#apiKeys, directory: this.#directory, control, withTenant }
    return {
      sources: [
        fromClaim({ verifyToken: (token) => this.#verifier.verify(token) }),
        fromApiKey({ authenticateApiKey: (text) => authenticateApiKey(parts, text) }),
        fromHeader(),
      ],
    }
  }

  /** A user in groups by name. */
  user(tenant: TenantKey, groups: readonly string[]): Promise<string> {
    return this.tenancy.withTenant(tenant, async (db) => {
      const email = `${crypto.randomUUID()}@example.com`
      const { id } = await this.store.users.create(db, { email, name: 'Somebody' })
      for (const { id: group, name } of await this.store.groups.list(db)) {
        if (groups.includes(name)) await this.store.groups.addUser(db, group, id)
      }
      return id
    })
  }

  async group(tenant: TenantKey, name: string, userId: string, member: boolean): Promise<void> {
    await this.tenancy.withTenant(tenant, async (db) => {
      const group = (await this.store.groups.list(db)).find((one) => one.name === name)
      if (member) await this.store.groups.addUser(db, String(group?.id), userId)
      else await this.store.groups.removeUser(db, String(group?.id), userId)
    })
  }

  /** @param age of the token, in seconds: 900 is its life */
  async token(tenant: TenantKey, sub: string, options: { age?: number; type?: 'user' | 'service' } = {}) {
    const { age = 0, type = 'user' } = options
    this.#now.ms = Date.now() - age * 1_000
    const { token } = await this.#issuer.issue({ sub, tenantId: tenant, type })
    this.#now.ms = Date.now()
    return token
  }

  async logOut(tenant: TenantKey, token: string): Promise<void> {
    const actor = await this.#verifier.verify(token)
    await this.tenancy.withTenant(tenant, (db) => this.#denylist.deny(db, actor))
  }

  key(
    tenant: TenantKey,
    rights: Pick<NewApiKey, 'actions' | 'profile' | 'expiresAt'>,
  ): Promise<IssuedApiKey> {
    return this.tenancy.withTenant(tenant, async (db) => {
      const made = await this.#apiKeys.create(db, { name: crypto.randomUUID(), ...rights } as NewApiKey)
      await this.#directory.add(this.world.root, made.record.keyId, tenant)
      return made
    })
  }

  revokeKey(tenant: TenantKey, id: string): Promise<unknown> {
    return this.tenancy.withTenant(tenant, (db) =>
      this.store.changing(db, () => this.#apiKeys.revoke(db, id)),
    )
  }
}

/** The file's product over a database of its own. */
export function useProduct(): { readonly product: Product } {
  const world = useWorld([])
  const made: { product?: Product } = {}
  beforeAll(async () => {
    made.product = new Product(world)
    await made.product.setUp()
  })
  return {
    get product() {
      return made.product as Product
    },
  }
}
