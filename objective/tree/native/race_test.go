//go:build race

package native

// manyRows fill several pieces of work, but not many: the race detector makes each slow.
const manyRows = 17_000
