export { bootstrapBehaviour as default } from "../src/peers/bootstrap/bootstrap.behaviour.ts";
