import type { Migration } from '@org/core'
import type { Pool } from 'pg'
import type { IsolationLevel } from '../../isolation/isolation.ts'
import { traitsOf } from '../../isolation/traits.ts'
import type { ProvisionResult } from '../../lifecycle/provision.ts'
import { createTenancy } from '../../tenancy/create-tenancy.ts'
import type { Tenancy } from '../../tenancy/interface.ts'
import type { TenancyOptions } from '../../tenancy/options.ts'
import type { Layout } from './layout.ts'
import type { PoolSource } from './rig.ts'
import type { Subject, SubjectSetup } from './types.ts'

export interface LabOptions extends PoolSource {
  readonly isolation: IsolationLevel
  readonly adminPool: Pool
  readonly tenancy?: Partial<TenancyOptions> | undefined
  readonly subject?: ((setup: SubjectSetup) => Subject) | undefined
  readonly provision?: MakeTenant | undefined
  readonly through?: 'scope' | 'pool' | undefined
}

/** Where one of the kit's tenants is to be. */
export interface TenantPlace {
  readonly adminPool: Pool
  readonly schema: string
  readonly role: string
  /** Level `database`: what its database is copied from; the database has the role's name. */
  readonly template: string | undefined
  readonly migrations: readonly Migration[]
}

/** Makes one of the kit's tenants, where they are not to be provisioned. */
export type MakeTenant = (
  tenancy: Tenancy,
  tenant: string,
  place: TenantPlace,
) => Promise<Pick<ProvisionResult, 'connection'>>

/** The library under the names of a lab, and the passwords of its throw-away tenants, at levels where they log in. */
export class LabTenancies {
  readonly #options: LabOptions
  readonly #layout: () => Layout
  readonly #passwords = new Map<string, string>()
  /** Level `database`: what tenants' databases are copied from. */
  readonly template: string | undefined

  constructor(options: LabOptions, prefix: string, layout: () => Layout) {
    this.#options = options
    this.#layout = layout
    this.template = traitsOf(options.isolation).ownDatabase ? `${prefix}template` : undefined
  }

  /** A tenancy whose own calls make tenants whose passwords are known here. */
  open(pool: Pool, options: Partial<TenancyOptions> = {}): Tenancy {
    const tenancy = this.create(pool, options)
    return {
      ...tenancy,
      provision: async (key, facts) => this.#remembering(key, await tenancy.provision(key, facts)),
      rotateCredentials: async (key) => {
        const connection = await tenancy.rotateCredentials(key)
        return this.#remembering(key, { connection }).connection
      },
    }
  }

  create(pool: Pool, options: Partial<TenancyOptions> = {}): Tenancy {
    return createTenancy({
      ...this.#ownConnections(pool),
      ...this.#options.tenancy,
      pool,
      adminPool: this.#options.adminPool,
      isolation: this.#options.isolation,
      ...this.#layout().options,
      ...options,
    })
  }

  /** Makes one of the kit's tenants, by the way that was given for it. */
  async provision(tenancy: Tenancy, tenant: string): Promise<void> {
    const { provision, adminPool } = this.#options
    const { schemaOf, roleOf, options } = this.#layout()
    const { template } = this
    const place = {
      adminPool,
      schema: schemaOf(tenant),
      role: roleOf(tenant),
      template,
      migrations: options.migrations ?? [],
    }
    this.#remembering(tenant, await (provision?.(tenancy, tenant, place) ?? tenancy.provision(tenant)))
  }

  /** At levels with connections of their own, what a rig's pool bounds is what tenants have together. */
  #ownConnections(pool: Pool): Partial<TenancyOptions> {
    const { isolation } = this.#options
    if (!traitsOf(isolation).logsIn) return {}
    return {
      credentials: (tenant) => {
        const password = this.#passwords.get(tenant)
        return password === undefined ? undefined : { password }
      },
      tenantPools: { maxConnections: pool.options.max },
      ...(this.template !== undefined && { databaseTemplate: this.template }),
    }
  }

  #remembering<T extends { readonly connection?: { readonly password: string } }>(key: string, made: T): T {
    if (made.connection) this.#passwords.set(key, made.connection.password)
    return made
  }
}
