export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

export const isShell = (text: string): text is Shell => SHELLS.some((shell) => shell === text)

/** A command as completion knows it. */
export interface Completable {
  readonly name: string
  readonly summary: string
  /** What its first argument can be, where that is a few words. */
  readonly words: readonly string[]
  /** Long flags with what they are, and whether a value follows. */
  readonly flags: readonly { readonly flag: string; readonly text: string; readonly takesValue: boolean }[]
}
