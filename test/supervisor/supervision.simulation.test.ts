import { tryLaws } from "./supervision-laws.ts";

tryLaws("simulation");
