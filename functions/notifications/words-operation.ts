import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import type { Seal } from '../../shared/security/seal.ts'
import type { StandardSettings } from './planning.ts'

export const wordsUses = ['db:notifications'] as const

/** Every operation that says how alerts are told: routes and templates. */
export const wordsOperation = operation<Deps<typeof wordsUses, StandardSettings> & { readonly seal: Seal }>()
