import { createRequire } from "node:module";

// The scripts lie outside of this folder, so what is installed here is named in full.
const here = createRequire(import.meta.url);
const js = here("@eslint/js");
const globals = here("globals");

export default [
  {
    files: ["**/*.js"],
    ...js.configs.recommended,
  },
  {
    files: ["**/*.js"],
    languageOptions: { ecmaVersion: 2022, sourceType: "script", globals: globals.browser },
    rules: {
      // The scripts share one scope, which the type checker sees as a whole.
      "no-undef": "off",
      "no-unused-vars": ["error", { vars: "local" }],
      "no-redeclare": ["error", { builtinGlobals: false }],
      curly: ["error", "multi-line"],
      eqeqeq: ["error", "always", { null: "ignore" }],
      "max-lines": ["error", 300],
      "max-lines-per-function": ["error", { max: 40, skipBlankLines: true, skipComments: true }],
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-shadow": "error",
      "no-var": "error",
      "prefer-const": "error",
      semi: "off",
      // Tokens are text: nothing may be read as markup.
      "no-restricted-properties": [
        "error",
        ...["innerHTML", "outerHTML", "insertAdjacentHTML"].map((property) => ({ property })),
        { object: "document", property: "write" },
      ],
      // What the stripping of blanks and comments relies on.
      "no-multi-str": "error",
      "no-restricted-syntax": [
        "error",
        { selector: "TemplateElement[value.raw=/\\n/]", message: "A text stays on one line." },
        { selector: "TemplateLiteral TemplateLiteral", message: "No template inside a template." },
        { selector: "Literal[regex.pattern=/[\"'` ]{2}|[\"'`]|\\/\\//]", message: "No quotation marks in a regular expression." },
      ],
    },
  },
];
