import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import type { Queryable } from '../../shared/data/postgres.ts'
import { page, pageQuery, Sku } from '../../shared/fields.ts'
import { operation } from '../../shared/function/operation.ts'
import { Category } from './category.ts'
import { ProfileBody } from './category-profile.ts'
import type { ThresholdFunction } from './thresholds.ts'

interface ProfileRow {
  readonly sku: string
  readonly category: string
  readonly leadTimeDays: number | null
  readonly parLevel: number | null
  readonly packSize: number
  readonly minimumOrder: number
  readonly updatedAt: Date
  readonly updatedBy: string
}

const listProfiles = (sql: Queryable, sku: string | undefined, category: string | undefined, after: string, limit: number) => sql<
  ProfileRow[]
>`
  select sku, category, lead_time_days as "leadTimeDays", par_level as "parLevel", pack_size as "packSize",
         minimum_order as "minimumOrder", updated_at as "updatedAt", updated_by as "updatedBy"
  from sku_profile
  where sku > ${after} ${sku === undefined ? sql`` : sql`and sku = ${sku}`}
    ${category === undefined ? sql`` : sql`and category = ${category}`}
  order by ${category === undefined ? sql`sku` : sql`category, sku`}
  limit ${limit}`

export const listOfProfiles = operation<ThresholdFunction>()({
  id: 'sku-profiles-list',
  route: 'GET /v1/sku-profiles',
  summary: 'List what alerts know of SKUs',
  allow: ['alerts:read', 'alerts:write'],
  input: z.strictObject({ sku: Sku.optional(), category: Category.optional(), ...pageQuery }),
  output: page(ProfileBody).meta({ id: 'SkuProfilePage' }),
  async handle({ db }, { sku, category, limit, cursor }) {
    const [after = ''] = decodeCursor(cursor, z.tuple([Sku])) ?? []
    const { items, next } = pageOf(await listProfiles(db.alerts.sql, sku, category, after, limit + 1), limit, row => [row.sku])
    return {
      items: items.map(row => ({ ...row, category: row.category || null, updatedAt: row.updatedAt.toISOString() })),
      next,
    }
  },
})
