// Pages ask for Trusted Types: nothing becomes markup that was not made by a policy. Leaflet writes its controls as markup; by this policy
// whatever anybody hands to such a place becomes its text, without a tag.

interface Policies {
  defaultPolicy: unknown;
  createPolicy(name: string, rules: { createHTML: (markup: string) => string }): unknown;
}

const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;
if (policies && !policies.defaultPolicy) policies.createPolicy('default', { createHTML: (markup) => markup.replace(/<[^>]*>?/gu, '') });

export {};
