export { routerBehaviour as default } from "../src/router/index.ts";
