// Says what is wrong with an OpenAPI document: node lint.mjs FILE. Every rule of the recommended set counts as an error.
import { createConfig, lint } from '@redocly/openapi-core';

const config = await createConfig({ extends: ['recommended-strict'] });
const problems = await lint({ ref: process.argv[2], config });
for (const problem of problems) {
  const place = problem.location?.[0]?.pointer ?? '';
  console.error(`${problem.severity}: ${problem.ruleId}: ${place}: ${problem.message}`);
}
process.exitCode = problems.length > 0 ? 1 : 0;
