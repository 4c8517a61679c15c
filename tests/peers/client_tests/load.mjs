// Instantiates the program in a page or a worker.

export async function load(number) {
  const module = await import(`./client_tests.js?${number}`);
  await module.default();
  return module;
}
