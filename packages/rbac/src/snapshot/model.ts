/** Of a package a tenant has, of an actor, a group or a key. Only `active` counts. */
export type Status = 'active' | 'suspended'

/** A moment as ISO 8601 with its zone, as PostgreSQL writes a timestamptz into JSON. */
export type Moment = string

/** What an API key may do by itself: `read-only` reads; `write` reads and writes; `admin` does everything. */
export type Profile = 'read-only' | 'write' | 'admin'

/** A package the tenant has: live from `assignedAt` on, and no longer at the very moment of `expiresAt`. */
export interface AssignedPackage {
  readonly key: string
  readonly status: Status
  /** Default: always. */
  readonly assignedAt?: Moment | null | undefined
  /** Default: never. */
  readonly expiresAt?: Moment | null | undefined
  /** Its stored actions (keys or `tool.*`), where packages are edited at run time; default: the catalogue's. */
  readonly actions?: readonly string[] | undefined
}

/** What one tenant has beside its packages. A deny wins over every package and every allow. */
export interface Override {
  /** The key of an action, or `tool.*`. */
  readonly target: string
  readonly effect?: 'allow' | 'deny' | null | undefined
  readonly limits?: Limits | null | undefined
  readonly flags?: Flags | null | undefined
}

/** Upper bounds by name; `null` is unlimited. */
export type Limits = Readonly<Record<string, number | null>>

/** Features switched on or off by name. */
export type Flags = Readonly<Record<string, boolean>>

export interface Plan {
  readonly key: string
  readonly limits: Limits
  readonly features?: readonly string[] | undefined
}

/** Grants (or takes away) an action to the members of a group, or to a key. */
export interface Permission {
  /** The key of an action, or `tool.*` (groups only). */
  readonly action: string
  /** Default `allow`. */
  readonly effect?: 'allow' | 'deny' | undefined
  /**
   * On which records. Left out: on all. `null` and `{}` are not "none": such a grant permits nothing. Unknown to the
   * compiler on purpose: it was written by others, and it is looked at when the evaluator is built.
   */
  readonly constraints?: unknown
}

/** A group the actor is in. A suspended one neither grants nor denies. */
export interface Group {
  readonly name: string
  readonly status: Status
  readonly permissions: readonly Permission[]
}

/** What an API key grants: a profile, or actions, never both. */
export interface KeyGrant {
  readonly name: string
  readonly status: Status
  readonly expiresAt?: Moment | null | undefined
  readonly profile?: Profile | null | undefined
  readonly permissions?: readonly Permission[] | null | undefined
}

/** Everything that decides what one actor of one tenant may do, as plain JSON. */
export interface Snapshot {
  readonly tenant: {
    /** Only `active` permits anything. */
    readonly status: 'active' | 'suspended' | 'provisioning' | 'deleting' | 'deleted'
    readonly limits?: Limits | null | undefined
    readonly flags?: Flags | null | undefined
  }
  /** A `user` has groups; a `service` has a key. */
  readonly actor: { readonly type: 'user' | 'service'; readonly id: string; readonly status: Status }
  readonly packages: readonly AssignedPackage[]
  readonly overrides?: readonly Override[] | undefined
  readonly plan?: Plan | null | undefined
  readonly groups?: readonly Group[] | undefined
  readonly key?: KeyGrant | null | undefined
}
