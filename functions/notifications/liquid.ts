// Imported with the first message: its name survives bundling only through a static import.
export { Liquid } from 'liquidjs'
