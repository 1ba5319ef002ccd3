import {
  MissingRequiredClientCapabilityError,
  acceptedContent,
  inputRequired,
  inputResponse,
  type InputRequiredSpec,
  type PrimitiveSchemaDefinition,
} from "@modelcontextprotocol/server";
import { canAsk, type ClientRequest } from "../../src/mcp/client-request.ts";

export type Questions = NonNullable<InputRequiredSpec["inputRequests"]>;

const form = (message: string, properties: Record<string, PrimitiveSchemaDefinition>) =>
  inputRequired.elicit({
    message,
    requestedSchema: { type: "object", properties, required: Object.keys(properties) },
  });

export const NAME: Questions = { user_name: form("What is your name?", { name: { type: "string" } }) };
export const COLOR: Questions = { color: form("Which color do you like?", { color: { type: "string" } }) };
export const CONTEXT: Questions = {
  user_context: form("In which context?", { context: { type: "string" } }),
};
export const DELETE: Questions = { confirm: form("Delete it?", { confirm: { type: "boolean" } }) };
export const ROOTS: Questions = { client_roots: inputRequired.listRoots() };

export const ask = (message: string): Questions => ({
  answer: form(message, { response: { type: "string" } }),
});

export const sample = (text: string): Questions => ({
  sample: inputRequired.createMessage({
    messages: [{ role: "user", content: { type: "text", text } }],
    maxTokens: 100,
  }),
});

/** A form in which each kind of field has a value already. */
export const DEFAULTS: Questions = {
  form: inputRequired.elicit({
    message: "Look through it, and change what is wrong.",
    requestedSchema: {
      type: "object",
      properties: {
        name: { type: "string", default: "John Doe" },
        age: { type: "integer", default: 30 },
        score: { type: "number", default: 95.5 },
        status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
        verified: { type: "boolean", default: true },
      },
    },
  }),
};

const plain = ["option1", "option2", "option3"];
const titled = ["value1", "value2", "value3"].map((value, at) => ({
  const: value,
  title: `Option ${at + 1}`,
}));

/** A form with each kind of choice. */
export const CHOICES: Questions = {
  form: inputRequired.elicit({
    message: "Choose.",
    requestedSchema: {
      type: "object",
      properties: {
        untitledSingle: { type: "string", enum: plain },
        titledSingle: { type: "string", oneOf: titled },
        legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["One", "Two", "Three"] },
        untitledMulti: { type: "array", items: { type: "string", enum: plain } },
        titledMulti: { type: "array", items: { anyOf: titled } },
      },
    },
  }),
};

/** Whether every one of the questions has an answer of its kind. */
export function areAnswered(questions: Questions, { responses }: ClientRequest): boolean {
  return Object.keys(questions).every((key) => inputResponse(responses, key).kind !== "missing");
}

/** What the user put into the form, as text. */
export const textOf = ({ responses }: ClientRequest, key: string, field: string): string => {
  const value = acceptedContent(responses, key)?.[field];
  return typeof value === "string" ? value : "nothing";
};

/** Those that this client can be asked. */
export function askable(questions: Questions, { capabilities }: ClientRequest): Questions {
  const isAskable = (method: string): boolean => {
    if (method === "elicitation/create") return canAsk(capabilities);
    return method === "roots/list" ? capabilities.roots !== undefined : capabilities.sampling !== undefined;
  };
  return Object.fromEntries(Object.entries(questions).filter(([, { method }]) => isAskable(method)));
}

/** @throws MissingRequiredClientCapabilityError as a request that cannot be carried out without it is to be answered */
export function mustSample({ capabilities }: ClientRequest): void {
  if (capabilities.sampling === undefined)
    throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
}
