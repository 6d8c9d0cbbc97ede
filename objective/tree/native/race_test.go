//go:build race

package native

// manyRows are several pieces of work; the race detector makes each slow.
const manyRows = 17_000
