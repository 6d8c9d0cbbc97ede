//go:build !race

package native

// manyRows are several pieces of work.
const manyRows = 40_000
