/** The languages of code documents, by what documents say: the names that code blocks have as well. */
export const LANGUAGE_NAMES: readonly (readonly [string, string])[] = [
  ['c', 'C'],
  ['cpp', 'C++'],
  ['css', 'CSS'],
  ['go', 'Go'],
  ['html', 'HTML'],
  ['java', 'Java'],
  ['javascript', 'JavaScript'],
  ['json', 'JSON'],
  ['python', 'Python'],
  ['rust', 'Rust'],
  ['bash', 'Shell'],
  ['sql', 'SQL'],
  ['typescript', 'TypeScript'],
  ['xml', 'XML'],
  ['yaml', 'YAML'],
]
