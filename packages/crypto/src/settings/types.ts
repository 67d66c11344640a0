import type { TenantQueryable } from '@org/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Envelopes, EnvelopesOf } from '../envelope/envelopes.ts'
import type { SealedTable } from '../envelope/sealed-table.ts'
import type { DeclaredSetting, SettingDefinition, SettingDefinitions } from './definition.ts'
import type { PlaintextUse } from './keeper.ts'

type SchemaOf<T extends SettingDefinition> =
  T extends DeclaredSetting<infer S, boolean> ? S : T extends StandardSchemaV1 ? T : never

type Output<T extends SettingDefinition> = StandardSchemaV1.InferOutput<SchemaOf<T>>
type Input<T extends SettingDefinition> = StandardSchemaV1.InferInput<SchemaOf<T>>

/** The keys of settings. */
export type SettingKey<D extends SettingDefinitions> = keyof D & string

/** The keys of those that are secrets. */
export type SecretKey<D extends SettingDefinitions> = {
  [K in SettingKey<D>]: D[K] extends DeclaredSetting<StandardSchemaV1, true> ? K : never
}[SettingKey<D>]

/** What `set` takes: the schema's input. */
export type SettingInput<T extends SettingDefinition> = Exclude<Input<T>, undefined>

/** What a stored setting reads as: the schema's output. */
export type SettingOutput<T extends SettingDefinition> = Output<T>

/** What `get` gives: a schema that takes `undefined` answers for an absent setting itself (its default). */
export type SettingValue<T extends SettingDefinition> =
  unknown extends Input<T>
    ? Output<T> | undefined
    : undefined extends Input<T>
      ? Output<T>
      : Output<T> | undefined

/** Stands for a secret in a list. */
export interface Masked {
  readonly masked: true
}

/** A stored setting. */
export interface SettingEntry<V> {
  readonly value: V
  /**
   * When it last changed, UTC with microseconds, e.g. `2026-01-31T12:00:00.123456Z`: its version. Hand it on as it
   * is (as an ETag, say): a `Date` would lose digits.
   */
  readonly updatedAt: string
}

/** What `list` gives: entries by key, only of what is stored. Secrets are masked unless they are in `Revealed`. */
export type SettingList<D extends SettingDefinitions, K extends SettingKey<D>, Revealed extends string> = {
  readonly [P in K]?: SettingEntry<
    P extends SecretKey<D> ? (P extends Revealed ? SettingOutput<D[P]> : Masked) : SettingOutput<D[P]>
  >
}

/** Options of {@link Settings.list}. */
export interface SettingListOptions<K extends string = string, Revealed extends string = string> {
  /** which settings (default: all) */
  readonly keys?: readonly K[]
  /** secrets to open; the others are masked, and not even opened */
  readonly reveal?: readonly Revealed[]
}

/** Options of {@link Settings.set}. */
export interface SetOptions {
  /**
   * Only if the setting still has this `updatedAt`; `null`: only if it is not stored. Default: whatever is there.
   */
  readonly ifUpdatedAt?: string | null
}

/** Options of `defineSettings`. */
export interface SettingsOptions {
  /** What seals secrets: one key ring for all tenants, or a function that finds a tenant's own keys. */
  readonly secrets?: Envelopes | EnvelopesOf | undefined
  /**
   * Lets secrets be stored in clear where there is no key, and be read where they are stored in clear (default
   * false: both are refused). Where there is a key, writing always seals. A function is told of each use, e.g. to
   * log it; `true` emits a process warning, once for each `defineSettings`.
   */
  readonly allowPlaintext?: boolean | ((use: PlaintextUse) => void)
}

/**
 * A tenant's settings, in `app_settings` of its schema. `db` is the handle of the scope one is in (`withTenant`):
 * everything happens in its tenant and its transaction. Made by `defineSettings`.
 */
export interface Settings<D extends SettingDefinitions> {
  /** All keys, in the order of their definitions. */
  readonly keys: readonly SettingKey<D>[]
  /** For a rotation: the table, and which of its rows are secrets. */
  readonly table: SealedTable

  /** Whether untrusted text is a key, e.g. before `get(db, request.params.key)`. */
  isKey(value: unknown): value is SettingKey<D>

  /**
   * One setting; a secret is opened. One statement.
   *
   * @returns the schema's output; when nothing is stored, the schema's default or else `undefined`
   * @throws TenancyError RESULT_UNREADABLE when the stored value does not fit the schema
   * @throws TenancyError ENVELOPE_UNREADABLE or KEY_MISSING when a secret cannot be opened
   */
  get<K extends SettingKey<D>>(db: TenantQueryable, key: K): Promise<SettingValue<D[K]>>

  /** As {@link Settings.get}, with the version that {@link Settings.set} can ask for; no default. One statement. */
  getEntry<K extends SettingKey<D>>(
    db: TenantQueryable,
    key: K,
  ): Promise<SettingEntry<SettingOutput<D[K]>> | undefined>

  /**
   * What is stored, of all settings or some, in the order of their definitions. One statement.
   *
   * @throws TenancyError as {@link Settings.get}, for the first setting that cannot be read
   */
  list<const K extends SettingKey<D> = SettingKey<D>, const Revealed extends SecretKey<D> = never>(
    db: TenantQueryable,
    options?: SettingListOptions<K, Revealed>,
  ): Promise<SettingList<D, K, Revealed>>

  /**
   * Stores one setting. What is stored is the value as given; the schema is applied again at every reading. One
   * statement.
   *
   * @returns its new version
   * @throws TenancyError VALIDATION_ERROR before anything is sent; the value is in no message
   * @throws TenancyError CONFLICT when `ifUpdatedAt` does not hold (the scope can go on)
   * @throws TenancyError KEY_MISSING when it is a secret and there is no key
   */
  set<K extends SettingKey<D>>(
    db: TenantQueryable,
    key: K,
    value: SettingInput<D[K]>,
    options?: SetOptions,
  ): Promise<{ readonly updatedAt: string }>

  /**
   * Stores several, all or none, in one statement. Rows are locked in one order, whatever the order here, so that
   * two of these do not deadlock.
   *
   * @returns their new versions
   * @throws TenancyError as {@link Settings.set}
   */
  setMany<const K extends SettingKey<D>>(
    db: TenantQueryable,
    values: { readonly [P in K]: SettingInput<D[P]> },
  ): Promise<{ readonly [P in K]: { readonly updatedAt: string } }>

  /**
   * Removes one setting. One statement.
   *
   * @returns whether it was stored
   * @throws TenancyError CONFLICT when `ifUpdatedAt` does not hold
   */
  delete(
    db: TenantQueryable,
    key: SettingKey<D>,
    options?: { readonly ifUpdatedAt?: string },
  ): Promise<boolean>
}
