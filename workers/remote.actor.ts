export { remoteBehaviour as default } from "../src/remote/index.ts";
