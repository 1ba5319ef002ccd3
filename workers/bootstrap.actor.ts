export { bootstrapBehaviour as default } from "../src/peers/index.ts";
