//go:build !race

package native

// manyRows fill several pieces of work.
const manyRows = 40_000
