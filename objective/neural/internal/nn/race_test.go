//go:build race

package nn

// raced says that the race detector is on. Under it, sync.Pool, which provides the workspace
// of products, drops items at random.
const raced = true
