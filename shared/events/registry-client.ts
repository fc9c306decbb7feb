// A CommonJS package that is imported when it is needed: its names survive bundling only through a static import.
export { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
