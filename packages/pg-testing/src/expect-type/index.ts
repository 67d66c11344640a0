// The tests of types run when the types are checked (`pnpm test:types`): what does not hold does not compile.

export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

export type IsAny<T> = 0 extends 1 & T ? true : false

/**
 * Compiles only if `T` is true: `expectType<Equal<A, B>>(true)`.
 * @example
 * ```ts
 * import { type Equal, expectType } from '@org/pg-testing/expect-type'
 *
 * const add = (a: number, b: number) => a + b
 * expectType<Equal<ReturnType<typeof add>, number>>(true) // does not compile if it is not so
 * ```
 */
export function expectType<T extends boolean>(_: T extends true ? true : never): void {}

/** Types of others, looked at no further. */
type Opaque =
  // A tenant's pool is `pg`'s own type, so that every library takes it.
  | import('pg').Pool
  | { readonly Pool: typeof import('pg').Pool; readonly Client: typeof import('pg').Client }
  | string
  | number
  | bigint
  | boolean
  | symbol
  | null
  | undefined
  | Error
  | AbortSignal
  | Uint8Array
  | NodeJS.ReadableStream
  | NodeJS.WritableStream

/** `[parameters, result]` of each of up to four overloads. */
type Signatures<F> = F extends {
  (...args: infer A1): infer R1
  (...args: infer A2): infer R2
  (...args: infer A3): infer R3
  (...args: infer A4): infer R4
}
  ? [A1, R1] | [A2, R2] | [A3, R3] | [A4, R4]
  : never

type Callable = (...args: never[]) => unknown
type Newable = abstract new (...args: never[]) => unknown

/**
 * Where `any` is in `T`: paths like `.withTenant(0)(0).query()`, or `never` when there is none. Looks into members,
 * parameters, results, elements and promises, `Deep` steps far.
 */
export type AnyIn<T, Path extends string = '', Deep extends 0[] = [0, 0, 0, 0, 0, 0, 0]> =
  IsAny<T> extends true
    ? Path
    : Deep extends [0, ...infer Left extends 0[]]
      ? T extends Opaque
        ? never
        : T extends Newable
          ? AnyIn<ConstructorParameters<T>, `${Path}(new)`, Left> | AnyIn<Statics<T>, Path, Left>
          : T extends Callable
            ? AnyInSignature<Signatures<T>, Path, Left>
            : T extends PromiseLike<infer R>
              ? AnyIn<R, Path, Left>
              : T extends AsyncIterable<infer E>
                ? AnyIn<E, `${Path}[]`, Left>
                : T extends readonly unknown[]
                  ? AnyInElements<T, Path, Left>
                  : AnyInMembers<T, Path, Left>
      : never

/** What a class has itself, without what every error class has. */
type Statics<T> = Omit<T, 'prototype' | keyof ErrorConstructor>

type AnyInSignature<S, Path extends string, Deep extends 0[]> = S extends [infer A, infer R]
  ? AnyIn<A, Path, Deep> | AnyIn<R, `${Path}()`, Deep>
  : never

type AnyInElements<
  T extends readonly unknown[],
  Path extends string,
  Deep extends 0[],
> = number extends T['length']
  ? AnyIn<T[number], `${Path}[]`, Deep>
  : { [K in keyof T]-?: AnyIn<T[K], `${Path}(${K & string})`, Deep> }[number]

type AnyInMembers<T, Path extends string, Deep extends 0[]> = {
  [K in keyof T]-?: AnyIn<T[K], `${Path}.${K extends string ? K : '[symbol]'}`, Deep>
}[keyof T]
