import type { Tool as ListedTool } from "@modelcontextprotocol/server";

/** Words of JSON Schema that no tool of ours has: a listing has to leave them alone. */
export const FOREIGN_SCHEMA: ListedTool["inputSchema"] = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } },
    },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  // oxlint-disable-next-line unicorn/no-thenable -- it is a word of JSON Schema
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
};

/** An argument that is told in a header too, for whoever routes requests without reading them. */
export const HEADER_SCHEMA: ListedTool["inputSchema"] = {
  type: "object",
  properties: { region: { type: "string", "x-mcp-header": "Region" } },
};
