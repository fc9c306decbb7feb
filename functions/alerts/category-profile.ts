import { z } from 'zod'
import type { Tx } from '../../shared/data/postgres.ts'
import { Count, Sku, Timestamp } from '../../shared/fields.ts'
import { Category } from './category.ts'
import { rejudge } from './threshold-rejudging.ts'
import type { ThresholdFunction } from './thresholds.ts'

export const NewProfile = z.strictObject({
  sku: Sku,
  category: Category.optional(),
  leadTimeDays: z.int().min(0).max(365).optional().meta({ description: 'Days until a delivery comes.' }),
  parLevel: Count.min(1).optional().meta({ description: 'Units that there should be at a place, where no threshold says it.' }),
  packSize: Count.min(1).default(1).meta({ description: 'Units that can be ordered together only.', example: 12 }),
  minimumOrder: Count.default(0).meta({ description: 'Units of the smallest order.' }),
})
export type GivenProfile = z.output<typeof NewProfile>

export const ProfileBody = z
  .object({
    sku: Sku,
    category: Category.nullable(),
    leadTimeDays: Count.nullable(),
    parLevel: Count.nullable(),
    packSize: Count,
    minimumOrder: Count,
    updatedAt: Timestamp,
    updatedBy: z.string(),
  })
  .meta({ id: 'SkuProfile' })

type Clock = Pick<ThresholdFunction, 'newId' | 'now'>

/** Sets what alerts know of SKUs, each as a whole. The last one counts where a SKU is named twice. Its places are judged again soon after. */
export async function writeProfiles(tx: Tx, given: readonly GivenProfile[], { newId, now }: Clock, actor: string): Promise<void> {
  const rows = [...new Map(given.map(row => [row.sku, row])).values()]
  const at = now()
  const changed = await tx<{ sku: string }[]>`
    insert into sku_profile as profile (
      sku, category, lead_time_days, par_level, pack_size, minimum_order, updated_at, updated_by)
    select *, ${at}::timestamptz, ${actor} from unnest(
      ${rows.map(row => row.sku)}::text[], ${rows.map(row => row.category ?? '')}::text[],
      ${rows.map(row => row.leadTimeDays ?? null)}::int[], ${rows.map(row => row.parLevel ?? null)}::bigint[],
      ${rows.map(row => row.packSize)}::bigint[], ${rows.map(row => row.minimumOrder)}::bigint[]
    ) as given (sku, category, lead_time_days, par_level, pack_size, minimum_order)
    order by sku collate "C"
    on conflict (sku) do update set category = excluded.category, lead_time_days = excluded.lead_time_days,
      par_level = excluded.par_level, pack_size = excluded.pack_size, minimum_order = excluded.minimum_order,
      updated_at = excluded.updated_at, updated_by = excluded.updated_by
    where (profile.category, profile.lead_time_days, profile.par_level, profile.pack_size, profile.minimum_order)
      is distinct from (excluded.category, excluded.lead_time_days, excluded.par_level, excluded.pack_size, excluded.minimum_order)
    returning sku`
  await judgeAgain(tx, changed, newId, at)
}

/** @returns the SKUs of which something was known */
export async function removeProfiles(tx: Tx, skus: readonly string[], { newId, now }: Clock): Promise<Set<string>> {
  const removed = await tx<{ sku: string }[]>`
    with locked as (select sku from sku_profile where sku = any (${skus}::text[]) order by sku for update)
    delete from sku_profile using locked where sku_profile.sku = locked.sku returning sku_profile.sku`
  await judgeAgain(tx, removed, newId, now())
  return new Set(removed.map(({ sku }) => sku))
}

const judgeAgain = (tx: Tx, changed: readonly { sku: string }[], newId: () => string, at: Date) =>
  rejudge(tx, { skus: changed.map(({ sku }) => sku), categories: [], locations: [], everything: false }, newId, at)
