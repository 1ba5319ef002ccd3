export { cacheBehaviour as default } from "../src/cache/index.ts";
